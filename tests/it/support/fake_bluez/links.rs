//! Links: made, resolved, and gone again.

use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::Presence;

use super::database::Database;
use super::device::{Keys, Link, LinkState};
use super::machine::{Event, Key, Machine};
use super::outgoing::{CHARACTERISTIC, Call, DEVICE, Refusal};

/// What BlueZ says when a connection breaks off while it is made; also of a bond that the watch has forgotten.
const ABORTED: &str = "le-connection-abort-by-local";
/// "Unlikely Error": what a request gets that was on its way when the link went.
const UNLIKELY: u8 = 0x0E;

/// Why a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It timed out.
    Timeout,
    /// The watch closed it.
    Remote,
    /// This side closed it.
    Local,
    /// The adapter went away under it; BlueZ gives no reason.
    Adapter,
}

impl Machine {
    /// `Connect`. Without an answer from the watch the call stays open, and the wish to connect does, too.
    pub fn connect(&mut self, key: &Key, call: &Call) -> Result<(), Refusal> {
        let adapter = self.adapters.get(&key.adapter).ok_or_else(|| Refusal::unknown(call))?;
        if !adapter.powered {
            return Err(Refusal::bluez("NotReady", "Resource Not Ready"));
        }
        if self.quirks.no_connect_while_scanning && !adapter.discoverers.is_empty() {
            return Err(Refusal::bluez("InProgress", "Operation already in progress"));
        }
        let number = self.number();
        let delay = self.timing.connect;
        let device = self.device(key).ok_or_else(|| Refusal::unknown(call))?;
        match &device.link {
            LinkState::Up(_) => self.out.reply(call, &()),
            LinkState::Connecting { .. } => {
                return Err(Refusal::bluez("InProgress", "Operation already in progress"));
            }
            LinkState::Down => {
                device.kept += 1;
                device.link = LinkState::Connecting { number, calls: vec![call.clone()] };
                self.after(delay, Event::Attempt(key.clone(), number));
            }
        }
        Ok(())
    }

    /// The watch is looked for; if it does not answer, it may later.
    pub fn attempt(&mut self, key: &Key, number: u64) {
        let Some(device) = self.device(key) else { return };
        let paired = device.paired;
        if !matches!(device.link, LinkState::Connecting { number: meant, .. } if meant == number) {
            return;
        }
        let Some(adapter) = self.adapters.get(&key.adapter).map(|adapter| adapter.address.clone()) else {
            return;
        };
        let Some(watch) = self.watches.get_mut(&key.peer).filter(|watch| watch.heard().is_some()) else {
            return;
        };
        let knows_us = watch.bonds.contains(&adapter);
        if watch.aborts > 0 || (paired && !knows_us) {
            watch.aborts = watch.aborts.saturating_sub(1);
            self.give_up_connecting(key, &Refusal::failed(ABORTED));
            return;
        }
        watch.link_up();
        self.link_up(key, number, paired && knows_us);
    }

    fn link_up(&mut self, key: &Key, number: u64, encrypted: bool) {
        let delay = self.timing.resolve;
        let Some(device) = self.device(key) else { return };
        let path = device.path.clone();
        let link = LinkState::Up(Link {
            keys: if encrypted { Keys::Encrypted } else { Keys::None },
            ..Link::new(number)
        });
        let before = std::mem::replace(&mut device.link, link);
        self.out.changed(&path, DEVICE, [("Connected", true.into())]);
        if let LinkState::Connecting { calls, .. } = before {
            for call in &calls {
                self.go_on_after_connect(key, call);
            }
        }
        self.after(delay, Event::Resolved(key.clone(), number));
    }

    /// `Pair` connects first and only then begins.
    fn go_on_after_connect(&mut self, key: &Key, call: &Call) {
        if call.header().member().is_some_and(|member| member == "Pair") {
            if let Err(refusal) = self.pair(key, call) {
                self.out.refuse(call, &refusal);
            }
        } else {
            self.out.reply(call, &());
        }
    }

    /// Services are discovered: their objects appear, and stay until the device is removed.
    pub fn resolved(&mut self, key: &Key, number: u64) {
        if self.link(key, number).is_none() {
            return;
        }
        let found = self.watches.get(&key.peer).map(|watch| watch.peripheral.characteristics());
        let database = Database::of(&found.unwrap_or_default());
        let Some(device) = self.device(key) else { return };
        let known = device.database.replace(database).is_some();
        device.resolved = true;
        let (path, attributes) = (device.path.clone(), device.attributes());
        if !known {
            for (path, interfaces) in &attributes {
                self.out.added(path, interfaces);
            }
        }
        self.out.changed(&path, DEVICE, [("ServicesResolved", true.into())]);
        self.listen_again(key);
    }

    /// `Disconnect`: also what calls off a pending connect.
    pub fn disconnect(&mut self, key: &Key, call: &Call) -> Result<(), Refusal> {
        let delay = self.timing.disconnect;
        let device = self.device(key).ok_or_else(|| Refusal::unknown(call))?;
        let paired = device.paired;
        match &mut device.link {
            LinkState::Down => {
                return Err(Refusal::bluez("NotConnected", "Not Connected"));
            }
            LinkState::Connecting { .. } => {
                self.give_up_connecting(key, &Refusal::failed(ABORTED));
                self.out.reply(call, &());
                if !paired {
                    self.remove_device(key);
                }
            }
            LinkState::Up(link) => {
                let first = link.closing.is_none();
                link.closing.get_or_insert_default().push(call.clone());
                let number = link.number;
                if first {
                    self.after(delay, Event::Closed(key.clone(), number));
                }
            }
        }
        Ok(())
    }

    fn give_up_connecting(&mut self, key: &Key, refusal: &Refusal) {
        let Some(device) = self.device(key) else { return };
        if let LinkState::Connecting { calls, .. } = std::mem::replace(&mut device.link, LinkState::Down) {
            for call in &calls {
                self.out.refuse(call, refusal);
            }
        }
        self.let_expire(key);
    }

    /// This link ends, if it is still there.
    pub fn link_ends(&mut self, key: &Key, number: u64, reason: Reason) {
        if self.link(key, number).is_some() {
            self.link_down(key, reason);
        }
    }

    /// This link has timed out; whoever was out of range is back.
    pub fn link_lost(&mut self, key: &Key, number: u64) {
        if let Some(watch) = self.watches.get_mut(&key.peer) {
            watch.silent = false;
        }
        self.link_ends(key, number, Reason::Timeout);
    }

    /// Whatever there is of a link ends.
    pub fn link_down(&mut self, key: &Key, reason: Reason) {
        let Some(device) = self.device(key) else { return };
        let path = device.path.clone();
        let link = match std::mem::replace(&mut device.link, LinkState::Down) {
            LinkState::Up(link) => link,
            connecting => {
                device.link = connecting;
                self.give_up_connecting(key, &Refusal::failed(ABORTED));
                return;
            }
        };
        let resolved = std::mem::take(&mut device.resolved);
        device.wishes.extend(link.listeners.iter().cloned());
        let quiet: Vec<String> = link
            .listeners
            .iter()
            .filter_map(|(uuid, _)| device.database.as_ref()?.path_of(*uuid).map(str::to_owned))
            .collect();
        self.call_off_pairing(key, &Refusal::bluez("AuthenticationCanceled", "Authentication Canceled"));
        for call in link.operations.into_iter().filter_map(super::device::Operation::into_call) {
            self.out.refuse(&call, &Refusal::att(UNLIKELY));
        }
        for characteristic in quiet {
            let whole = format!("{path}/{characteristic}");
            self.out.changed(&whole, CHARACTERISTIC, [("Notifying", false.into())]);
        }
        if resolved {
            self.out.changed(&path, DEVICE, [("ServicesResolved", false.into())]);
        }
        if self.quirks.tells_reasons && reason != Reason::Adapter {
            self.out.disconnected(&path, &format!("{reason:?}"));
        }
        self.out.changed(&path, DEVICE, [("Connected", false.into())]);
        for call in link.closing.into_iter().flatten() {
            self.out.reply(&call, &());
        }
        if let Some(watch) = self.watches.get_mut(&key.peer) {
            watch.link_down();
        }
        self.let_expire(key);
        self.look_again(&key.peer.clone());
    }

    /// A watch can be heard again, perhaps: connects that wait for it get their chance.
    pub fn look_again(&mut self, peer: &PeerAddress) {
        let delay = self.timing.connect;
        for key in self.keys_of(peer) {
            if let Some(LinkState::Connecting { number, .. }) = self.device(&key).map(|device| &device.link) {
                let number = *number;
                self.after(delay, Event::Attempt(key, number));
            }
        }
    }

    /// A watch rang: it has something to say, or is about to leave.
    pub fn rang(&mut self, peer: &PeerAddress) {
        self.listen_to_doorbell(peer);
        let Some(presence) = self.watches.get(peer).map(|watch| watch.peripheral.presence()) else { return };
        let supervision = self.timing.supervision;
        for key in self.keys_of(peer) {
            let Some(link) = self.device(&key).and_then(|device| device.link()) else { continue };
            let number = link.number;
            link.look = true;
            match presence {
                Presence::Here => self.tick_soon(&key),
                Presence::HangingUp => self.link_down(&key, Reason::Remote),
                Presence::Silent => self.after(supervision, Event::Lost(key, number)),
            }
        }
        self.look_again(peer);
    }
}
