//! The host's side of the air: adapters, bluetoothd with its objects, what lies on its disk, and what it will do later.
//!
//! Plain code without async. One task owns it, feeds it with what comes over the bus and with what is due, and sends what it has
//! put into [`Outgoing`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nowbridge::radio::PeerAddress;
use tokio::task::JoinSet;
use zbus::Connection;

use super::adapter::Adapter;
use super::air::Watch;
use super::crowd::Crowd;
use super::device::{Device, Link};
use super::links::Reason;
use super::outgoing::{ADAPTER, AGENT_MANAGER, DEVICE, Outgoing};
use super::pairing::{Agents, Answer};

/// How long things take. Next to nothing, unless a story wants it as it is in life.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From the wish to connect until the link is up.
    pub connect: Duration,
    /// From there until services are resolved.
    pub resolve: Duration,
    /// How long a `Disconnect` takes; 2 s in life.
    pub disconnect: Duration,
    /// A watch without power is missed after this; 420 ms is what BlueZ asks for.
    pub supervision: Duration,
    /// Between two connection events.
    pub interval: Duration,
    /// Packets in one event.
    pub packets: usize,
    /// Between two advertisements of a watch.
    pub advertising: Duration,
    /// An unpaired device is forgotten so long after it was last of use; 30 s in life.
    pub temporary: Duration,
    /// A pairing that nobody answers ends after this; 30 s in life.
    pub pairing: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            connect: ms(1),
            resolve: ms(1),
            disconnect: Duration::ZERO,
            supervision: ms(20),
            interval: ms(1),
            packets: 64,
            advertising: ms(10),
            temporary: Duration::from_secs(30),
            pairing: Duration::from_secs(30),
        }
    }
}

/// A device at an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub adapter: String,
    pub peer: PeerAddress,
}

/// What happens later. The numbers tell whether it is still meant when it is due.
#[derive(Debug)]
pub enum Event {
    /// Watches advertise.
    Adverts,
    /// A watch may answer the connect of this number.
    Attempt(Key, u64),
    /// Services of this link are resolved.
    Resolved(Key, u64),
    /// A connection event of this link.
    Tick(Key, u64),
    /// The watch wanted to be asked now.
    Wake(Key, u64),
    /// This host has closed this link.
    Closed(Key, u64),
    /// This link has timed out.
    Lost(Key, u64),
    /// A device object has not been of use for long.
    Expired(Key, u64),
    /// A watch has something to say.
    Rang(PeerAddress),
    /// The agent has answered, or the time is over.
    AgentSaid(Key, u64, Answer),
}

/// Habits that a story turns on or off.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    /// A connect fails while discovery is on.
    pub no_connect_while_scanning: bool,
    /// It says why a link ended, as BlueZ does since 5.83.
    pub tells_reasons: bool,
}

/// The host.
pub struct Machine {
    pub timing: Timing,
    pub quirks: Quirks,
    pub watches: BTreeMap<PeerAddress, Watch>,
    pub crowd: Crowd,
    pub adapters: BTreeMap<String, Adapter>,
    /// Keys on bluetoothd's disk: adapter address and watch.
    pub bonds: BTreeSet<(String, PeerAddress)>,
    pub agents: Agents,
    pub out: Outgoing,
    /// bluetoothd runs and has this connection.
    pub bluetoothd: Option<Connection>,
    pub later: JoinSet<Event>,
    pub counter: u64,
}

impl Machine {
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            quirks: Quirks { no_connect_while_scanning: false, tells_reasons: false },
            watches: BTreeMap::new(),
            crowd: Crowd::default(),
            adapters: BTreeMap::new(),
            bonds: BTreeSet::new(),
            agents: Agents::default(),
            out: Outgoing::default(),
            bluetoothd: None,
            later: JoinSet::new(),
            counter: 0,
        }
    }

    /// A number that was never used before.
    pub fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Makes something happen after a while.
    pub fn after(&mut self, delay: Duration, event: Event) {
        self.later.spawn(async move {
            tokio::time::sleep(delay).await;
            event
        });
    }

    /// What was to happen happens.
    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Adverts => self.adverts(),
            Event::Attempt(key, number) => self.attempt(&key, number),
            Event::Resolved(key, number) => self.resolved(&key, number),
            Event::Tick(key, number) => self.tick(&key, number),
            Event::Wake(key, number) => self.wake(&key, number),
            Event::Closed(key, number) => self.link_ends(&key, number, Reason::Local),
            Event::Lost(key, number) => self.link_lost(&key, number),
            Event::Expired(key, kept) => self.expire(&key, kept),
            Event::Rang(peer) => self.rang(&peer),
            Event::AgentSaid(key, number, answer) => self.agent_said(&key, number, answer),
        }
    }

    /// A device.
    pub fn device(&mut self, key: &Key) -> Option<&mut Device> {
        self.adapters.get_mut(&key.adapter)?.devices.get_mut(&key.peer)
    }

    /// The open link of this number.
    pub fn link(&mut self, key: &Key, number: u64) -> Option<&mut Link> {
        self.device(key)?.link().filter(|link| link.number == number)
    }

    /// Every device with this address: there may be several adapters.
    pub fn keys_of(&self, peer: &PeerAddress) -> Vec<Key> {
        let known = self.adapters.values().filter(|adapter| adapter.devices.contains_key(peer));
        known.map(|adapter| Key { adapter: adapter.path.clone(), peer: peer.clone() }).collect()
    }

    /// bluetoothd has its name and shows what it finds.
    pub fn bluetoothd_starts(&mut self, connection: Connection) {
        self.bluetoothd = Some(connection);
        self.out.added("/org/bluez", &[(AGENT_MANAGER, BTreeMap::new())].into());
        for path in self.adapters.keys().cloned().collect::<Vec<_>>() {
            self.register_adapter(&path);
        }
        for peer in self.watches.keys().cloned().collect::<Vec<_>>() {
            self.listen_to_doorbell(&peer);
        }
        self.after(self.timing.advertising, Event::Adverts);
    }

    /// bluetoothd is gone: every link drops, every object is gone, and nobody says so.
    pub fn bluetoothd_dies(&mut self) -> Option<Connection> {
        self.later = JoinSet::new();
        self.agents = Agents::default();
        for adapter in self.adapters.values_mut() {
            adapter.devices.clear();
            adapter.discoverers.clear();
        }
        self.watches.values_mut().for_each(Watch::link_down);
        self.out.take();
        self.bluetoothd.take()
    }

    /// Shows an adapter, and the devices that have a bond with it.
    pub fn register_adapter(&mut self, path: &str) {
        let Some(adapter) = self.adapters.get_mut(path) else { return };
        self.out.added(path, &adapter.interfaces());
        let bonded: Vec<PeerAddress> = self
            .bonds
            .iter()
            .filter(|(address, _)| *address == adapter.address)
            .map(|(_, peer)| peer.clone())
            .collect();
        for peer in bonded {
            let known = self.watches.get(&peer).and_then(|watch| watch.peripheral.advertisement());
            let mut device = Device::new(path, peer.clone(), known.unwrap_or_default());
            device.paired = true;
            self.out.added(&device.path, &device.interfaces());
            adapter.devices.insert(peer, device);
        }
    }

    /// An adapter is pulled out.
    pub fn remove_adapter(&mut self, path: &str) -> Option<Adapter> {
        self.drop_links(path);
        let mut adapter = self.adapters.remove(path)?;
        for device in std::mem::take(&mut adapter.devices).into_values() {
            self.out.removed(&device.path, DEVICE);
        }
        adapter.discoverers.clear();
        self.out.removed(path, ADAPTER);
        Some(adapter)
    }

    /// Ends every link of an adapter.
    pub fn drop_links(&mut self, path: &str) {
        let devices = self.adapters.get(path).map(|adapter| adapter.devices.keys().cloned().collect());
        let devices: Vec<PeerAddress> = devices.unwrap_or_default();
        for peer in devices {
            self.link_down(&Key { adapter: path.to_owned(), peer }, Reason::Adapter);
        }
    }

    /// A watch is put on the air.
    pub fn place(&mut self, peer: &PeerAddress, watch: Watch) {
        self.watches.insert(peer.clone(), watch);
        if self.bluetoothd.is_some() {
            self.listen_to_doorbell(peer);
        }
    }

    pub fn listen_to_doorbell(&mut self, peer: &PeerAddress) {
        let Some(watch) = self.watches.get(peer) else { return };
        let (doorbell, peer) = (watch.doorbell.clone(), peer.clone());
        self.later.spawn(async move {
            doorbell.rung().await;
            Event::Rang(peer)
        });
    }
}
