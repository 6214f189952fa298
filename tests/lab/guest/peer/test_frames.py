"""The same bytes as in the tests of src/radio/air/socket/messages.rs."""

import unittest

from . import frames

HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"


class Frames(unittest.TestCase):
    def test_what_the_central_says(self):
        written = frames.write(300, HEART_RATE, b"\x07", frames.WITHOUT_RESPONSE)
        self.assertEqual(frames.hello().hex(), "0001")
        self.assertEqual(frames.connect("E7").hex(), "02024537")
        self.assertEqual(written.hex(), "04ac021000002a3700001000800000805f9b34fb010701")
        self.assertEqual(frames.subscribe(1, HEART_RATE)[:3].hex(), "050110")

    def test_what_the_air_says(self):
        name, number, failure = frames.parse(bytes.fromhex("05010505"))
        self.assertEqual((name, number, failure.code), ("failed", 1, 5))
        self.assertEqual(frames.parse(bytes.fromhex("0601020102")), ("notification", 1, b"\x01\x02"))
        self.assertEqual(frames.parse(bytes.fromhex("0703")), ("closed", 3))

    def test_a_long_value_and_a_big_number_come_back(self):
        answer = b"\x04" + frames.varint(70_000) + frames.blob(bytes(300))
        self.assertEqual(frames.parse(answer), ("answer", 70_000, bytes(300)))


if __name__ == "__main__":
    unittest.main()
