"""The virtual air's messages between processes, version 1: a 4-byte length, then postcard (src/radio/air/socket)."""

import struct
import uuid

VERSION = 1
WITH_RESPONSE, WITHOUT_RESPONSE = 0, 1


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def blob(value):
    return varint(len(value)) + value


def name_of(characteristic):
    return blob(uuid.UUID(characteristic).bytes)


def hello():
    return bytes([0, VERSION])


def connect(address):
    return b"\x02" + blob(address.encode())


def read(number, characteristic):
    return b"\x03" + varint(number) + name_of(characteristic)


def write(number, characteristic, value, mode=WITH_RESPONSE):
    return b"\x04" + varint(number) + name_of(characteristic) + blob(value) + bytes([mode])


def subscribe(number, characteristic):
    return b"\x05" + varint(number) + name_of(characteristic)


def framed(message):
    return struct.pack(">I", len(message)) + message


class Refused(Exception):
    """The simulated watch said no, with an ATT error code where it gave one."""

    def __init__(self, what, code=None):
        super().__init__(what)
        self.code = code


class Cursor:
    """Reads postcard."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def blob(self):
        length = self.varint()
        self.at += length
        return self.data[self.at - length : self.at]

    def failure(self):
        kind = self.byte()
        if kind in (0, 1, 6):
            return Refused(self.blob().decode())
        if kind == 5:
            code = self.byte()
            return Refused(f"ATT error {code:#04x}", code)
        return Refused({2: "the link is closed", 3: "no answer in time", 4: "no such characteristic"}[kind])


def parse(message):
    """The name of a message from the air and its fields."""
    cursor = Cursor(message)
    kind = cursor.byte()
    if kind == 0:
        return "hello", cursor.byte()
    if kind == 1:
        return "refused", cursor.failure()
    if kind == 3:
        characteristics = [str(uuid.UUID(bytes=cursor.blob())) for _ in range(cursor.varint())]
        return "connected", characteristics, cursor.varint()
    if kind == 4:
        return "answer", cursor.varint(), cursor.blob()
    if kind == 5:
        return "failed", cursor.varint(), cursor.failure()
    if kind == 6:
        return "notification", cursor.varint(), cursor.blob()
    if kind == 7:
        return "closed", cursor.byte()
    raise ValueError(f"message {kind} of the air is unknown here")
