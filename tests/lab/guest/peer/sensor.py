"""The sensor: standard services as a chest strap has them, and a service to measure and to provoke with."""

import asyncio
import struct
import time

from bumble.att import ATT_Error, ATT_READ_NOT_PERMITTED_ERROR, Attribute
from bumble.core import AdvertisingData, UUID
from bumble.gatt import Characteristic, CharacteristicValue, Service

from .watch import Watch

NAME = "VirtualWatch"
ADDRESS = "C0:DE:00:00:00:01"
TEST_SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
RX = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"  # write, with and without response
TX = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"  # notify
STAT = "6e400004-b5a3-f393-e0a9-e50e24dcca9e"  # read: bytes and writes that RX has seen
SEC = "6e400005-b5a3-f393-e0a9-e50e24dcca9e"  # read, over an encrypted link only
AUTH = "6e400006-b5a3-f393-e0a9-e50e24dcca9e"  # read, over an authenticated link only

HEART_RATE_SENSOR_BELT = 0x0341
CONTACT_AND_BEATS = 0x16  # 8-bit rate, contact supported and found, R-R intervals follow
OTHER_TASKS_EVERY = 16

READ, WRITE = Characteristic.Properties.READ, Characteristic.Properties.WRITE
NOTIFY, INDICATE = Characteristic.Properties.NOTIFY, Characteristic.Properties.INDICATE
WRITE_COMMAND = Characteristic.Properties.WRITE_WITHOUT_RESPONSE
READABLE, WRITEABLE = Attribute.Permissions.READABLE, Attribute.Permissions.WRITEABLE
ENCRYPTED = Attribute.Permissions.READ_REQUIRES_ENCRYPTION
AUTHENTICATED = Attribute.Permissions.READ_REQUIRES_AUTHENTICATION


def readable(uuid, value, permissions=READABLE):
    return Characteristic(uuid, READ, permissions, value)


def refuse(_connection):
    raise ATT_Error(ATT_READ_NOT_PERMITTED_ERROR)


# Bumble asks the permissions for encryption and the like, but not whether a value may be read at all.
UNREADABLE = CharacteristicValue(read=refuse)


def heart_rate(bpm):
    """A heart rate measurement (2A37) with the one beat that belongs to it, in units of 1/1024 s."""
    return struct.pack("<BBH", CONTACT_AND_BEATS, bpm, 60 * 1024 // bpm)


# 36.64 degrees Celsius (2A1C): flags, then an IEEE 11073 float, 3664 with exponent -2.
WARM = bytes([0, 0x50, 0x0E, 0x00, 0xFE])


class Sensor(Watch):
    """Says a heart rate every second, 60 to 119 and round again, and its temperature to whoever subscribes."""

    def __init__(self, radio, pace):
        self.heart_rate_seconds = 1.0
        self.bpm = 60
        self.received = Received()
        self.heart_rate = Characteristic("2A37", NOTIFY, 0, UNREADABLE)
        self.temperature = Characteristic("2A1C", INDICATE, 0, UNREADABLE)
        self.temperature.on("subscription", self.asked_for_temperature)
        self.tx = Characteristic(TX, NOTIFY, 0, UNREADABLE)
        super().__init__(radio, pace, NAME, ADDRESS, advertisement(), self.services())

    def services(self):
        control = CharacteristicValue(write=lambda _, value: self.log.info("heart rate control %s", value.hex()))
        received = CharacteristicValue(write=lambda _, value: self.received.add(value))
        counted = CharacteristicValue(read=lambda _: self.received.encode())
        return [
            Service(
                "180D",
                [self.heart_rate, readable("2A38", b"\x02"), Characteristic("2A39", WRITE, WRITEABLE, control)],
            ),
            Service("180F", [Characteristic("2A19", READ | NOTIFY, READABLE, bytes([87]))]),
            Service("1809", [self.temperature]),
            Service(
                "180A",
                [
                    readable("2A29", b"Nowbridge Lab"),
                    readable("2A24", b"Virtual-1"),
                    readable("2A25", b"SN0001"),
                    readable("2A26", b"1.2.3"),
                ],
            ),
            Service(
                TEST_SERVICE,
                [
                    Characteristic(RX, WRITE | WRITE_COMMAND, WRITEABLE, received),
                    self.tx,
                    readable(STAT, counted),
                    readable(SEC, b"secret", READABLE | ENCRYPTED),
                    readable(AUTH, b"top-secret", READABLE | AUTHENTICATED),
                ],
            ),
        ]

    async def power_on(self):
        await super().power_on()
        self.beating = asyncio.get_running_loop().create_task(self.beat())

    async def beat(self):
        while True:
            await asyncio.sleep(self.heart_rate_seconds or 0.2)
            if self.heart_rate_seconds and self.connections:
                self.bpm = 60 + (self.bpm - 59) % 60
                try:
                    await self.device.notify_subscribers(self.heart_rate, heart_rate(self.bpm))
                except Exception as trouble:  # the link went away in the middle of it
                    self.log.warning("no heart rate: %r", trouble)

    def asked_for_temperature(self, _connection, _notify, indicate):
        if indicate:
            work = self.device.indicate_subscribers(self.temperature, WARM)
            self.indication = asyncio.get_running_loop().create_task(work)

    async def say(self, characteristic, value):
        """Notifies bytes that no sensible watch would send."""
        speakers = (self.heart_rate, self.temperature, self.tx)
        item = next(item for item in speakers if item.uuid == UUID(characteristic))
        if item is self.temperature:
            await self.device.indicate_subscribers(item, value)
        else:
            await self.device.notify_subscribers(item, value)

    async def stream(self, count, size, window):
        """Numbered values of `size` bytes, with at most `window` of them under way."""
        started = time.monotonic()
        rest = bytes(size - 4)
        for number in range(count):
            for connection in self.connections:
                await self.device.notify_subscriber(connection, self.tx, struct.pack("<I", number) + rest)
            if number % OTHER_TASKS_EVERY == OTHER_TASKS_EVERY - 1:
                await asyncio.sleep(0)
                while window and self.backlog() > window and self.connections:
                    await asyncio.sleep(0.0005)
        return time.monotonic() - started

    def stats(self):
        return self.received.stats() | super().stats()

    def reset(self):
        super().reset()
        self.received.__init__()


class Received:
    """What RX has seen."""

    def __init__(self):
        self.bytes = self.writes = 0
        self.first = self.last = 0.0

    def add(self, value):
        self.last = time.monotonic()
        if not self.writes:
            self.first = self.last
        self.bytes += len(value)
        self.writes += 1

    def encode(self):
        return struct.pack("<II", self.bytes, self.writes)

    def stats(self):
        return {"bytes": self.bytes, "writes": self.writes, "span_s": self.last - self.first}


def advertisement():
    return AdvertisingData(
        [
            (AdvertisingData.FLAGS, b"\x06"),
            (AdvertisingData.COMPLETE_LOCAL_NAME, NAME.encode()),
            (AdvertisingData.APPEARANCE, struct.pack("<H", HEART_RATE_SENSOR_BELT)),
            (
                AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
                b"".join(bytes(UUID(uuid)) for uuid in ("180D", "180F", "1809")),
            ),
        ]
    )
