"""What every watch has: a controller on the radio, an advertisement, connections, bonds, and somebody who wears it."""

import asyncio
import logging

from bumble import hci
from bumble.device import Device, DeviceConfiguration
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from .radio import PacedController
from .wearer import Wearer

ADVERTISING_INTERVAL_MS = 100


class Watch:
    """A Bumble device on the radio. Subclasses add services."""

    def __init__(self, radio, pace, name, address, advertisement, services):
        self.log = logging.getLogger(name)
        self.radio = radio
        self.controller = PacedController(name, pace, link=radio, public_address=hci.Address(address))
        host = Host(self.controller, AsyncPipeSink(self.controller))
        self.controller.host = host
        self.wearer = Wearer()
        self.device = Device(config=configuration(name, address), host=host)
        self.device.pairing_config_factory = self.wearer.pairing_config
        self.device.advertising_data = bytes(advertisement)
        for service in services:
            self.device.add_service(service)
        self.device.on("connection", self.connected)
        self.present = False
        self.times_connected = 0
        self.last_disconnect = None

    async def power_on(self):
        await self.device.power_on()
        await self.advertise(True)

    @property
    def connections(self):
        return list(self.device.connections.values())

    async def advertise(self, on):
        """Like most watches it is heard only while nobody is connected. Not by Bumble's automatic restart, which cannot be
        called off while there is a connection."""
        self.present = on
        if not on:
            await self.device.stop_advertising()
        elif not self.connections:
            await self.device.start_advertising(
                advertising_interval_min=ADVERTISING_INTERVAL_MS,
                advertising_interval_max=ADVERTISING_INTERVAL_MS,
                own_address_type=hci.OwnAddressType.RANDOM,
            )

    def connected(self, connection):
        self.log.info("connected by %s", connection.peer_address)
        self.times_connected += 1
        connection.on("disconnection", self.disconnected)
        connection.on("pairing", lambda _keys: self.log.info("paired"))
        connection.on("pairing_failure", lambda reason: self.pairing_failed(connection, reason))

    def pairing_failed(self, connection, reason):
        """Upstream keeps the failed session until the link ends, and a second pairing on it would never get its keys."""
        self.log.info("pairing failed, reason 0x%02x", reason)
        session = self.device.smp_manager.sessions.get(connection.handle)
        if session:
            session.on_disconnection(0)

    def disconnected(self, reason):
        self.log.info("disconnected, reason 0x%02x", reason)
        self.last_disconnect = int(reason)
        if self.present:
            asyncio.get_running_loop().create_task(self.advertise(True))

    async def disconnect(self):
        for connection in self.connections:
            await connection.disconnect()

    async def forget(self):
        await self.device.keystore.delete_all()

    def backlog(self):
        """Notifications that have not left yet."""
        queue = self.device.host.le_acl_packet_queue
        return queue.pending if queue else 0

    def stats(self):
        return {
            "connections": len(self.connections),
            "times_connected": self.times_connected,
            "mtu": [connection.att_mtu for connection in self.connections],
            "encrypted": [bool(connection.encryption) for connection in self.connections],
            "last_disconnect": self.last_disconnect,
        }

    def reset(self):
        self.last_disconnect = None


def configuration(name, address):
    made = DeviceConfiguration()
    made.load_from_dict({"name": name, "address": address, "irk": "865F81FF5A8B486EAAE29A27AD9F77DC"})
    # On disk, so that bonds outlive a controller that is unplugged.
    made.keystore = f"JsonKeyStore:/run/lab/bonds-{address.replace(':', '')}.json"
    return made
