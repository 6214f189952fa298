"""The kernel's end of the cable: /dev/vhci, which makes a Bluetooth controller of whoever opens it."""

import asyncio
import errno
import os

from bumble.transport.common import ParserSource

DEVICE = "/dev/vhci"
VENDOR_PACKET = 0xFF
PRIMARY_CONTROLLER = 0x00
LONGEST_PACKET = 4096


class Vhci(ParserSource):
    """Source and sink of HCI packets.

    Upstream's gives the whole controller up when one write fails. The kernel refuses packets for an adapter that has
    just been switched off, so an event that is late by a moment would pull the adapter out.
    """

    def __init__(self):
        super().__init__()
        self.device = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self.device, self.receive)
        self.on_packet(bytes([VENDOR_PACKET, PRIMARY_CONTROLLER]))

    def receive(self):
        packet = os.read(self.device, LONGEST_PACKET)
        # The first is the kernel's answer to the vendor packet.
        if packet[0] != VENDOR_PACKET:
            self.parser.feed_data(packet)

    def on_packet(self, packet):
        try:
            os.write(self.device, packet)
        except OSError as trouble:
            if trouble.errno != errno.ENXIO:
                raise
