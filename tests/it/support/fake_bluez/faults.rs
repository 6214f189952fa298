//! What can be done to the air and to the host, beside what a client may do.

use std::time::Duration;

use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::Peripheral;

use super::adapter::Adapter;
use super::air::{Io, Watch};
use super::crowd::Crowd;
use super::device::LinkState;
use super::links::Reason;
use super::machine::{Event, Key, Machine};

impl Machine {
    /// Plugs an adapter in.
    pub fn plug_in(&mut self, path: &str, address: &str) {
        self.adapters.insert(path.to_owned(), Adapter::new(path, address));
        if self.bluetoothd.is_some() {
            self.register_adapter(path);
        }
    }

    /// Pulls an adapter out.
    pub fn pull_out(&mut self, path: &str) {
        self.remove_adapter(path);
    }

    /// Switches an adapter on or off, as somebody else's `bluetoothctl` would.
    pub fn power(&mut self, path: &str, on: bool) {
        // Blocked adapters stay off.
        let _ = self.set_powered(path, on);
    }

    /// Blocks an adapter by rfkill, or unblocks it; then it is off.
    pub fn block(&mut self, path: &str, blocked: bool) {
        let _ = self.set_powered(path, false);
        if let Some(adapter) = self.adapters.get_mut(path) {
            adapter.blocked = blocked;
            let state = adapter.power_state();
            self.out.changed(path, super::outgoing::ADAPTER, [("PowerState", state.into())]);
        }
    }

    /// Puts a watch on the air.
    pub fn put_on_air(&mut self, peer: &PeerAddress, peripheral: impl Peripheral) {
        self.place(peer, Watch::new(Box::new(peripheral)));
    }

    /// Fills the room.
    pub fn fill_the_room(&mut self, strangers: u32) {
        self.crowd = Crowd::of(strangers);
    }

    /// The watch goes out of range; the link is missed after `timeout`, and then the watch is back.
    pub fn lose_link(&mut self, peer: &PeerAddress, timeout: Duration) {
        self.silence(peer);
        for key in self.keys_of(peer) {
            if let Some(number) = self.device(&key).and_then(|device| device.link()).map(|link| link.number) {
                self.after(timeout, Event::Lost(key, number));
            }
        }
    }

    /// Nothing goes through any more, though the link stays up.
    pub fn silence(&mut self, peer: &PeerAddress) {
        self.watch(peer).silent = true;
    }

    /// It does again.
    pub fn radio_on(&mut self, peer: &PeerAddress) {
        self.watch(peer).silent = false;
        self.look_again(peer);
        for key in self.keys_of(peer) {
            self.tick_soon(&key);
        }
    }

    /// The watch closes its link.
    pub fn watch_disconnects(&mut self, peer: &PeerAddress) {
        for key in self.keys_of(peer) {
            if self.device(&key).is_some_and(|device| device.is_connected()) {
                self.link_down(&key, Reason::Remote);
            }
        }
    }

    /// Whether the watch can be heard and connected.
    pub fn advertise(&mut self, peer: &PeerAddress, on: bool) {
        self.watch(peer).advertising = on;
        self.look_again(peer);
    }

    /// The watch forgets its bonds.
    pub fn forget_bonds(&mut self, peer: &PeerAddress) {
        self.watch(peer).bonds.clear();
    }

    /// What the watch can show and take, and whether its wearer says yes.
    pub fn equip(&mut self, peer: &PeerAddress, io: Io, accepts: bool) {
        let wearer = &mut self.watch(peer).wearer;
        (wearer.io, wearer.accepts) = (io, accepts);
    }

    /// The wearer types digits into the watch.
    pub fn type_passkey(&mut self, peer: &PeerAddress, digits: u32) {
        self.watch(peer).wearer.typed = Some(digits);
        for key in self.keys_of(peer) {
            self.watch_was_typed_into(&key);
        }
    }

    /// The next connections to the watch break off while they are made.
    pub fn abort_connects(&mut self, peer: &PeerAddress, count: u32) {
        self.watch(peer).aborts = count;
    }

    /// Whether a connect succeeds while discovery is on.
    pub fn connect_while_scanning(&mut self, works: bool) {
        self.quirks.no_connect_while_scanning = !works;
    }

    /// Whether bluetoothd says why a link ended, as it does since 5.83.
    pub fn tell_reasons(&mut self) {
        self.quirks.tells_reasons = true;
    }

    /// Whether bluetoothd still waits for the watch to answer a connect.
    pub fn is_connect_pending(&self, peer: &PeerAddress) -> bool {
        let pending = |key: &Key| {
            let adapter = self.adapters.get(&key.adapter);
            let device = adapter.and_then(|adapter| adapter.devices.get(&key.peer));
            device.is_some_and(|device| matches!(device.link, LinkState::Connecting { .. }))
        };
        self.keys_of(peer).iter().any(pending)
    }

    /// Whether there is a device object for the watch.
    pub fn is_known(&self, peer: &PeerAddress) -> bool {
        !self.keys_of(peer).is_empty()
    }

    /// Whether anybody has discovery on.
    pub fn is_discovering(&self) -> bool {
        self.adapters.values().any(|adapter| !adapter.discoverers.is_empty())
    }

    /// A watch that a story has put on the air.
    pub fn watch(&mut self, peer: &PeerAddress) -> &mut Watch {
        self.watches.get_mut(peer).unwrap_or_else(|| panic!("{peer} is not on the air"))
    }
}
