"""Whoever wears the watch: reads its screen, presses its buttons, and types on it."""

import asyncio

from bumble.pairing import PairingConfig, PairingDelegate

ABILITIES = {
    "none": PairingDelegate.NO_OUTPUT_NO_INPUT,
    "display": PairingDelegate.DISPLAY_OUTPUT_ONLY,
    "keyboard": PairingDelegate.KEYBOARD_INPUT_ONLY,
    "yesno": PairingDelegate.DISPLAY_OUTPUT_AND_YES_NO_INPUT,
}
PATIENCE_SECONDS = 30


class Wearer:
    """What the watch can show and take, and what its wearer does with it."""

    def __init__(self):
        self.equip("none")

    def equip(self, io, secure_connections=True, accept=True):
        """`accept` is the answer to "are these numbers the same?"."""
        self.ability = ABILITIES[io]
        self.secure_connections = secure_connections
        self.accept = accept
        self.shown = None
        self.typed = asyncio.Queue()

    def type(self, digits):
        self.typed.put_nowait(int(digits))

    def pairing_config(self, _connection):
        return PairingConfig(
            sc=self.secure_connections,
            mitm=self.ability != PairingDelegate.NO_OUTPUT_NO_INPUT,
            bonding=True,
            delegate=Delegate(self),
        )


class Delegate(PairingDelegate):
    """What Bumble asks of the wearer."""

    def __init__(self, wearer):
        super().__init__(wearer.ability)
        self.wearer = wearer

    async def display_number(self, number, digits=6):
        self.wearer.shown = f"{number:0{digits}d}"

    async def compare_numbers(self, number, digits=6):
        self.wearer.shown = f"{number:0{digits}d}"
        return self.wearer.accept

    async def get_number(self):
        try:
            return await asyncio.wait_for(self.wearer.typed.get(), PATIENCE_SECONDS)
        except asyncio.TimeoutError:
            return None
