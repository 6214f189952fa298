"""The control port: one JSON object a line, one answer a line. `"watch"` is `sensor` (if left out) or `bridge`.

    {"cmd":"linkloss","timeout_ms":2000}        silence, then a supervision timeout on both sides
    {"cmd":"silence"}, {"cmd":"radio_on"}       silence without a timeout, and its end
    {"cmd":"disconnect"}                        the watch closes the link
    {"cmd":"adv","on":false}                    away, and back
    {"cmd":"forget"}                            the watch loses its bonds
    {"cmd":"io","io":"display"}                 none, display, keyboard or yesno; "secure_connections", "accept"
    {"cmd":"passkey"}                           what its screen shows; with "digits": types them on the watch
    {"cmd":"stats"}, {"cmd":"reset"}            what it has seen
    {"cmd":"pace","interval_ms":15}             connection interval of the radio; null is the negotiated one
    {"cmd":"crash"}                             the process ends, and the controller with it
  of the sensor:
    {"cmd":"hr","period_ms":1000}               how often it says a heart rate; 0 is never
    {"cmd":"say","characteristic":"2a37","hex":"16"}             these bytes, once
    {"cmd":"stream","count":1000,"size":244,"window":64}         notifications of the test service
"""

import asyncio
import json
import logging
import os

log = logging.getLogger("control")


class Control:
    """Lets tests play fate."""

    def __init__(self, radio, pace, watches):
        self.radio = radio
        self.pace = pace
        self.watches = watches
        self.losses = set()

    async def serve(self, port):
        self.server = await asyncio.start_server(self.converse, "127.0.0.1", port)

    async def converse(self, reader, writer):
        while line := await reader.readline():
            try:
                answer = await self.obey(**json.loads(line)) or {"ok": True}
            except Exception as trouble:
                log.exception("%s", line)
                answer = {"error": repr(trouble)}
            writer.write((json.dumps(answer) + "\n").encode())
            await writer.drain()
        writer.close()

    async def obey(self, cmd, watch="sensor", **options):
        if watch not in self.watches:
            raise ValueError(f"there is no watch {watch!r}; there is {', '.join(self.watches)}")
        return await getattr(self, f"do_{cmd}")(self.watches[watch], **options)

    async def do_linkloss(self, watch, timeout_ms=2000):
        loss = asyncio.get_running_loop().create_task(self.radio.lose(watch.controller, timeout_ms / 1000))
        self.losses.add(loss)
        loss.add_done_callback(self.losses.discard)

    async def do_silence(self, watch):
        self.radio.silent.add(watch.controller)

    async def do_radio_on(self, watch):
        self.radio.hear_again(watch.controller)

    async def do_disconnect(self, watch):
        await watch.disconnect()

    async def do_adv(self, watch, on):
        await watch.advertise(on)

    async def do_forget(self, watch):
        await watch.forget()

    async def do_io(self, watch, io, **options):
        watch.wearer.equip(io, **options)

    async def do_passkey(self, watch, digits=None):
        if digits is None:
            return {"passkey": watch.wearer.shown}
        watch.wearer.type(digits)

    async def do_stats(self, watch):
        return watch.stats()

    async def do_reset(self, watch):
        watch.reset()

    async def do_pace(self, _watch, interval_ms=None):
        self.pace.interval_ms = interval_ms

    async def do_crash(self, _watch):
        os._exit(1)

    async def do_hr(self, watch, period_ms):
        watch.heart_rate_seconds = period_ms / 1000

    async def do_say(self, watch, characteristic, hex):
        await watch.say(characteristic, bytes.fromhex(hex))

    async def do_stream(self, watch, count, size, window=0):
        return {"ok": True, "queued_s": await watch.stream(count, size, window)}
