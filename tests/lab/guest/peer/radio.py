"""The radio between the controllers, and a controller that the Linux kernel gets on with."""

import asyncio
import dataclasses
from collections import defaultdict, deque

from bumble import hci
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink


class Radio(LocalLink):
    """Carries what controllers send, unless one of the two is out of range."""

    def __init__(self):
        super().__init__()
        self.silent = set()

    def carries(self, sender, receiver):
        return sender not in self.silent and receiver not in self.silent

    def send_acl_data(self, sender, destination, transport, data):
        """Upstream signs data with the sender's random address, and BlueZ connects from its public one: the
        receiver would not know the connection. Here data carry the address that the connection was made with."""
        if transport != PhysicalTransport.LE:
            super().send_acl_data(sender, destination, transport, data)
            return
        connection = sender.le_connections.get(destination)
        receiver = self.find_le_controller(destination)
        if connection and receiver and self.carries(sender, receiver):
            loop = asyncio.get_running_loop()
            loop.call_soon(receiver.on_link_acl_data, connection.self_address, transport, data)

    def send_advertising_pdu(self, sender, packet):
        loop = asyncio.get_running_loop()
        for receiver in self.controllers:
            if receiver is not sender and self.carries(sender, receiver):
                loop.call_soon(receiver.on_ll_advertising_pdu, packet)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        sender = self.find_le_controller(sender_address)
        receiver = self.find_le_controller(receiver_address)
        if receiver and self.carries(sender, receiver):
            asyncio.get_running_loop().call_soon(receiver.on_ll_control_pdu, sender_address, packet)

    async def lose(self, controller, seconds):
        """Out of range for so long, at the end of which both sides run into their supervision timeout."""
        self.silent.add(controller)
        await asyncio.sleep(seconds)
        for connection in list(controller.le_connections.values()):
            other = self.other_side(controller, connection)
            if other:
                time_out(*other)
            time_out(controller, connection)
        self.silent.discard(controller)

    def hear_again(self, controller):
        """Ends a silence. A connection that the other side gave up meanwhile is over here too."""
        self.silent.discard(controller)
        for connection in list(controller.le_connections.values()):
            if not self.other_side(controller, connection):
                time_out(controller, connection)

    def other_side(self, controller, connection):
        for other in self.controllers:
            match = other.le_connections.get(connection.self_address)
            if other is not controller and match and match.self_address == connection.peer_address:
                return other, match
        return None


def time_out(controller, connection):
    controller.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)


@dataclasses.dataclass
class Pace:
    """How much a connection carries. An infinitely fast radio would be unlike any there is, and BlueZ trips over it."""

    interval_ms: float | None = None  # the negotiated one
    fragments_per_event: int = 6


class PacedController(Controller):
    """Bumble's controller, with what the kernel misses in it, and with connection events."""

    le_acl_data_packet_length = 251
    total_num_le_acl_data_packets = 16
    supported_max_tx_octets = 251
    supported_max_rx_octets = 251
    supported_max_tx_time = 17040
    supported_max_rx_time = 17040

    def __init__(self, name, pace, **others):
        super().__init__(name, **others)
        self.pace = pace
        self.connect_ind = None
        self.interval_ms = {}
        self.unsent = defaultdict(deque)
        self.pumps = {}

    def on_le_connect_ind(self, packet):
        self.connect_ind = packet
        super().on_le_connect_ind(packet)

    def on_hci_le_create_connection_cancel_command(self, command):
        """Upstream says yes and goes on waiting. The host is owed a completion that tells it was cancelled."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        cancelled = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, cancelled)
        return super().on_hci_le_create_connection_cancel_command(command)

    def send_hci_packet(self, packet):
        if isinstance(packet, hci.HCI_LE_Connection_Complete_Event):
            packet = self.connection_complete(packet)
        elif isinstance(packet, hci.HCI_Disconnection_Complete_Event):
            self.unsent.pop(packet.connection_handle, None)
        super().send_hci_packet(packet)

    def connection_complete(self, event):
        """The event with true parameters, and in the form that the host asked for.

        A kernel whose controller claims LL privacy waits 20 s for the enhanced event, and with it every command that
        comes after a connect; upstream sends the plain one always.
        """
        facts = {
            name: getattr(event, name)
            for name in (
                "status connection_handle role peer_address_type peer_address connection_interval "
                "peripheral_latency supervision_timeout central_clock_accuracy"
            ).split()
        }
        if event.role == hci.Role.PERIPHERAL and self.connect_ind:
            facts["connection_interval"] = self.connect_ind.interval
            facts["peripheral_latency"] = self.connect_ind.latency
            facts["supervision_timeout"] = self.connect_ind.timeout
        self.interval_ms[event.connection_handle] = facts["connection_interval"] * 1.25
        enhanced_wanted = self.le_event_mask & (1 << 9)
        if not enhanced_wanted:
            return hci.HCI_LE_Connection_Complete_Event(**facts)
        return hci.HCI_LE_Enhanced_Connection_Complete_Event(
            local_resolvable_private_address=hci.Address.ANY,
            peer_resolvable_private_address=hci.Address.ANY,
            **facts,
        )

    def on_hci_acl_data_packet(self, packet):
        handle = packet.connection_handle
        self.unsent[handle].append(packet)
        if handle not in self.pumps:
            self.pumps[handle] = asyncio.get_running_loop().create_task(self.pump(handle))

    async def pump(self, handle):
        """In every connection event a few fragments leave, and the host gets their credits back."""
        loop = asyncio.get_running_loop()
        event = loop.time()
        try:
            while self.unsent.get(handle):
                # Events keep their rhythm when this process is late, but those that were missed are missed.
                event = max(event + (self.pace.interval_ms or self.interval_ms.get(handle, 30)) / 1000, loop.time())
                await asyncio.sleep(event - loop.time())
                queue = self.unsent.get(handle, ())
                for _ in range(min(self.pace.fragments_per_event, len(queue))):
                    super().on_hci_acl_data_packet(queue.popleft())
        finally:
            del self.pumps[handle]
