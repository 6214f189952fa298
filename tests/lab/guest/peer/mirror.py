"""The bridge watch: a simulated watch of ours, reached over its virtual air and shown over GATT as it is."""

import asyncio
import struct

from bumble.att import ATT_Error, Attribute, ErrorCode
from bumble.core import AdvertisingData, UUID
from bumble.gatt import Characteristic, CharacteristicValue, Service

from . import frames
from .watch import Watch

ADDRESS = "E7:12:0A:00:00:01"
NAME = "NB-0001"
CALL_SECONDS = 20


def bridge(number):
    return f"b68b{number:04x}-cf51-4033-86b3-35bd27c4f38b"


SERVICE, INFO, CONTROL, DATA, TIME = (bridge(number) for number in range(1, 6))

READ, WRITE = Characteristic.Properties.READ, Characteristic.Properties.WRITE
NOTIFY = Characteristic.Properties.NOTIFY
READABLE, WRITEABLE = Attribute.Permissions.READABLE, Attribute.Permissions.WRITEABLE


class Mirror(Watch):
    """Each link over the radio gets one of its own over the air; when one ends, so does the other."""

    def __init__(self, radio, pace, air):
        self.air = air
        self.links = {}
        self.notified = 0
        characteristics = [
            self.mirrored(INFO, READ),
            self.mirrored(CONTROL, WRITE | NOTIFY),
            self.mirrored(DATA, NOTIFY),
            self.mirrored(TIME, READ | WRITE),
        ]
        super().__init__(radio, pace, NAME, ADDRESS, advertisement(), [Service(SERVICE, characteristics)])

    def mirrored(self, uuid, properties):
        permissions = READABLE * bool(properties & READ) | WRITEABLE * bool(properties & WRITE)

        async def read(connection):
            return await self.ask(connection, frames.read, uuid)

        async def write(connection, value):
            await self.ask(connection, frames.write, uuid, value)

        made = Characteristic(uuid, properties, permissions, CharacteristicValue(read=read, write=write))
        made.on("subscription", lambda connection, on, _: self.subscription(connection, made, uuid, on))
        return made

    async def ask(self, connection, request, *arguments):
        try:
            return await (await self.links[connection]).ask(request, *arguments)
        except frames.Refused as refusal:
            raise ATT_Error(refusal.code or ErrorCode.UNLIKELY_ERROR) from refusal
        except (OSError, EOFError, asyncio.TimeoutError) as trouble:
            self.log.warning("the simulated watch is silent: %r", trouble)
            raise ATT_Error(ErrorCode.UNLIKELY_ERROR) from trouble

    def subscription(self, connection, characteristic, uuid, on):
        # Nobody can unsubscribe over the air; Bumble drops what nobody here has subscribed to.
        if on:
            self.spawn(self.subscribe(connection, characteristic, uuid))

    async def subscribe(self, connection, characteristic, uuid):
        link = await self.links[connection]
        await link.subscribe(uuid, lambda value: self.notify(connection, characteristic, value))

    async def notify(self, connection, characteristic, value):
        self.notified += 1
        await self.device.notify_subscriber(connection, characteristic, value)

    def connected(self, connection):
        super().connected(connection)
        self.links[connection] = self.spawn(self.open(connection))
        connection.on("disconnection", lambda _: self.spawn(self.close(connection)))

    async def open(self, connection):
        try:
            return await AirLink.open(self.air, lambda: self.spawn(self.air_closed(connection)))
        except (OSError, EOFError, asyncio.TimeoutError, frames.Refused) as trouble:
            self.log.warning("the simulated watch cannot be reached: %r", trouble)
            self.spawn(self.air_closed(connection))
            raise frames.Refused(str(trouble)) from trouble

    async def close(self, connection):
        opening = self.links.pop(connection, None)
        if opening:
            try:
                (await opening).close()
            except frames.Refused:
                pass

    async def air_closed(self, connection):
        if connection in self.connections:
            await connection.disconnect()

    def spawn(self, work):
        return asyncio.get_running_loop().create_task(work)

    def stats(self):
        return {"notified": self.notified} | super().stats()

    def reset(self):
        super().reset()
        self.notified = 0


class AirLink:
    """A link to the simulated watch."""

    def __init__(self, reader, writer, on_closed):
        self.reader, self.writer, self.on_closed = reader, writer, on_closed
        self.number = 0
        self.answers = {}
        self.sinks = {}
        self.subscriptions = set()

    @classmethod
    async def open(cls, path, on_closed):
        reader, writer = await asyncio.open_unix_connection(path)
        link = cls(reader, writer, on_closed)
        link.send(frames.hello())
        kind, version = await asyncio.wait_for(link.receive(), CALL_SECONDS)
        if (kind, version) != ("hello", frames.VERSION):
            raise frames.Refused(f"the air speaks version {version}, this peer speaks {frames.VERSION}")
        link.send(frames.connect(ADDRESS))
        kind, *facts = await asyncio.wait_for(link.receive(), CALL_SECONDS)
        if kind != "connected":
            raise facts[0]
        link.listening = asyncio.get_running_loop().create_task(link.listen())
        return link

    def send(self, message):
        self.writer.write(frames.framed(message))

    async def receive(self):
        (length,) = struct.unpack(">I", await self.reader.readexactly(4))
        return frames.parse(await self.reader.readexactly(length))

    async def ask(self, request, *arguments):
        self.number += 1
        number = self.number
        answer = self.answers[number] = asyncio.get_running_loop().create_future()
        self.send(request(number, *arguments))
        try:
            return await asyncio.wait_for(answer, CALL_SECONDS)
        finally:
            self.answers.pop(number, None)

    async def subscribe(self, characteristic, sink):
        if characteristic in self.subscriptions:
            return
        self.subscriptions.add(characteristic)
        # The first notification may come with the answer.
        self.sinks[self.number + 1] = sink
        await self.ask(frames.subscribe, characteristic)

    async def listen(self):
        try:
            while True:
                kind, *facts = await self.receive()
                if kind == "closed":
                    break
                await self.take(kind, facts)
        except (OSError, EOFError):
            pass
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(frames.Refused("the link is closed"))
        self.on_closed()

    async def take(self, kind, facts):
        number, value = facts
        if kind == "notification":
            await self.sinks[number](value)
            return
        answer = self.answers.get(number)
        if answer and not answer.done():
            answer.set_exception(value) if kind == "failed" else answer.set_result(value)

    def close(self):
        self.listening.cancel()
        self.writer.close()


def advertisement():
    return AdvertisingData(
        [
            (AdvertisingData.FLAGS, b"\x06"),
            (AdvertisingData.COMPLETE_LOCAL_NAME, NAME.encode()),
            (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, bytes(UUID(SERVICE))),
        ]
    )
