"""Puts the watches on the radio: `python3 -m peer [--air SOCKET]`. With a virtual air there is a bridge watch too."""

import argparse
import asyncio
import logging
import sys

from .control import Control
from .mirror import Mirror
from .radio import PacedController, Pace, Radio
from .sensor import Sensor
from .vhci import Vhci

ADAPTER_ADDRESS = "00:AA:01:00:00:42"
CONTROL_PORT = 9800


async def run(options):
    radio, pace = Radio(), Pace()
    kernel = Vhci()
    PacedController(
        "adapter", pace, host_source=kernel, host_sink=kernel, link=radio, public_address=ADAPTER_ADDRESS
    )
    watches = {"sensor": Sensor(radio, pace)}
    if options.air:
        watches["bridge"] = Mirror(radio, pace, options.air)
    for watch in watches.values():
        await watch.power_on()
    control = Control(radio, pace, watches)
    await control.serve(CONTROL_PORT)
    print("READY", flush=True)
    await kernel.wait_for_termination()


def main():
    parser = argparse.ArgumentParser(prog="peer", description=__doc__)
    parser.add_argument("--air", metavar="SOCKET", help="where a simulated watch is reached")
    parser.add_argument("--verbose", action="store_true", help="every packet")
    options = parser.parse_args()
    layout = "%(asctime)s.%(msecs)03d %(name)s %(levelname)s %(message)s"
    level = logging.DEBUG if options.verbose else logging.INFO
    logging.basicConfig(level=level, stream=sys.stderr, format=layout, datefmt="%H:%M:%S")
    if not options.verbose:
        logging.getLogger("bumble").setLevel(logging.WARNING)
    asyncio.run(run(options))


main()
