"""A whole update of the simulated watch by a client that others have made: list, upload, test, restart, confirm, and a revert.

judge.py smpclient|mcumgr-toolkit PORT
"""

import asyncio
import hashlib
import logging
import struct
import sys
import time


def image(version, size):
    """An MCUboot image as imgtool makes one without a key; nothing of nowbridge has a hand in it."""
    payload = bytes((at * 7 + version[0]) % 251 for at in range(size))
    header = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 32, 0, size, 0, *version, 0, 0)
    digest = hashlib.sha256(header + payload).digest()
    return header + payload + struct.pack("<HHHH", 0x6907, 40, 0x10, 32) + digest, digest


def shown(images):
    """One text an image: slot, version, flags."""
    names = ("active", "confirmed", "pending", "permanent")
    return [f"{i.slot} {i.version} " + " ".join(n for n in names if getattr(i, n)) for i in images]


def expect(images, wanted, when):
    told = [text.strip() for text in shown(images)]
    if told != wanted:
        sys.exit(f"{when}: {told} instead of {wanted}")
    print(f"  {when}: {told}")


async def smpclient(port):
    from smpclient import SMPClient
    from smpclient.generics import success
    from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite
    from smpclient.requests.os_management import EchoWrite, ResetWrite
    from smpclient.transport.udp import SMPUDPTransport

    class Transport(SMPUDPTransport):
        async def connect(self, address, timeout_s, _=0):
            await super().connect(address, timeout_s, port)

    async def asked(client, request):
        answer = await client.request(request)
        if not success(answer):
            sys.exit(f"{type(request).__name__}: {answer}")
        return answer

    async def back():
        for _ in range(60):
            client = SMPClient(Transport(), "127.0.0.1", timeout_s=0.5)
            try:
                await client.connect()
                return client, (await asked(client, ImageStatesRead())).images
            except TimeoutError:
                await client.disconnect()
        sys.exit("the watch does not come back")

    client, images = await back()
    expect(images, ["0 1.0.0 active confirmed"], "at first")
    assert (await asked(client, EchoWrite(d="hello"))).r == "hello"
    file, digest = image((2, 0, 0), 60_000)
    began, messages = time.monotonic(), 0
    async for _ in client.upload(file):
        messages += 1
    print(f"  {len(file)} bytes in {messages} messages, {time.monotonic() - began:.1f} s")
    for keep in (False, True):
        images = (await asked(client, ImageStatesWrite(hash=digest, confirm=False))).images
        expect(images, ["0 1.0.0 active confirmed", "1 2.0.0 pending"], "asked to try it")
        await asked(client, ResetWrite())
        await client.disconnect()
        await asyncio.sleep(1)
        client, images = await back()
        expect(images, ["0 2.0.0 active", "1 1.0.0 confirmed"], "on trial")
        if keep:
            await asked(client, ImageStatesWrite(confirm=True))
        await asked(client, ResetWrite())
        await client.disconnect()
        await asyncio.sleep(1)
        client, images = await back()
        if keep:
            expect(images, ["0 2.0.0 active confirmed"], "kept")
        else:
            expect(images, ["0 1.0.0 active confirmed", "1 2.0.0"], "not kept")
    await client.disconnect()


def mcumgr_toolkit(port):
    from mcumgr_toolkit import MCUmgrClient

    def back():
        for _ in range(60):
            try:
                client = MCUmgrClient.udp("127.0.0.1", port, 500)
                client.check_connection()
                return client
            except Exception:  # the package has no names for its errors
                time.sleep(0.5)
        sys.exit("the watch does not come back")

    client = back()
    client.use_auto_frame_size()
    client.set_timeout_ms(5_000)
    print(f"  boot loader: {client.os_bootloader_info()}, {client.os_application_info('sv')}")
    expect(client.image_get_state(), ["0 1.0.0 active confirmed"], "at first")
    file, _ = image((2, 0, 0), 60_000)
    client.firmware_update(file, upgrade_only=True)
    time.sleep(1)
    client = back()
    expect(client.image_get_state(), ["0 2.0.0 active", "1 1.0.0 confirmed"], "on trial")
    client.image_set_state(None, True)
    client.os_system_reset()
    time.sleep(1)
    expect(back().image_get_state(), ["0 2.0.0 active confirmed"], "kept")


# A watch that is starting does not answer, which the clients complain of.
logging.disable(logging.CRITICAL)
judge, port = sys.argv[1], int(sys.argv[2])
print(f"{judge}:")
asyncio.run(smpclient(port)) if judge == "smpclient" else mcumgr_toolkit(port)
print("  a whole update, as it should be")
