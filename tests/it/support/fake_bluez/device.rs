//! What bluetoothd knows of a device.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::Advertisement;
use tokio::time::Instant;
use uuid::Uuid;
use zbus::Variant;

use super::database::{Database, Node, is_subscribable};
use super::outgoing::{
    CHARACTERISTIC, Call, DESCRIPTOR, DEVICE, Interfaces, Properties, SERVICE, object_path,
};
use super::pairing::Pairing;

/// A device object.
pub struct Device {
    pub path: String,
    pub adapter: String,
    pub address: PeerAddress,
    pub advertisement: Advertisement,
    /// As it was heard last; unknown while nobody listens.
    pub rssi: Option<i16>,
    pub paired: bool,
    pub trusted: bool,
    pub resolved: bool,
    pub link: LinkState,
    /// Once services were discovered; it outlives the link.
    pub database: Option<Database>,
    /// Values as last read or notified.
    pub values: BTreeMap<Uuid, Vec<u8>>,
    pub pairing: Option<Pairing>,
    /// Who listened when the link went, or wanted to while there was none: characteristic and client.
    pub wishes: BTreeSet<(Uuid, String)>,
    /// Counts what makes an object that was about to be removed stay.
    pub kept: u64,
}

/// The link to a device.
pub enum LinkState {
    Down,
    /// Waiting for an advertisement to answer.
    Connecting {
        number: u64,
        calls: Vec<Call>,
    },
    Up(Link),
}

/// Whether a link is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    None,
    /// It waits for some that it will not get; nothing else is answered.
    Refused,
    Encrypted,
}

/// An open link.
pub struct Link {
    /// Tells it from those before and after it.
    pub number: u64,
    pub keys: Keys,
    /// What waits to go out, first come, first served.
    pub operations: VecDeque<Operation>,
    /// Who listens to what: characteristic and client.
    pub listeners: BTreeSet<(Uuid, String)>,
    /// The watch may have something to say.
    pub look: bool,
    /// The next connection event is due.
    pub ticking: bool,
    /// When the watch will speak by itself, if a timer runs for it.
    pub wake_at: Option<Instant>,
    /// Calls of `Disconnect` that wait for the link to go.
    pub closing: Option<Vec<Call>>,
}

/// Something that a host does over a link.
pub enum Operation {
    Read {
        call: Call,
        uuid: Uuid,
    },
    /// Without a call it was a command, and was answered when it was queued.
    Write {
        call: Option<Call>,
        uuid: Uuid,
        value: Vec<u8>,
    },
    Subscribe {
        call: Call,
        uuid: Uuid,
        client: String,
    },
}

impl Device {
    pub fn new(adapter: &str, address: PeerAddress, advertisement: Advertisement) -> Self {
        Self {
            path: format!("{adapter}/dev_{}", address.0.replace(':', "_")),
            adapter: adapter.to_owned(),
            address,
            advertisement,
            rssi: None,
            paired: false,
            trusted: false,
            resolved: false,
            link: LinkState::Down,
            database: None,
            values: BTreeMap::new(),
            pairing: None,
            wishes: BTreeSet::new(),
            kept: 0,
        }
    }

    /// The open link.
    pub fn link(&mut self) -> Option<&mut Link> {
        if let LinkState::Up(link) = &mut self.link { Some(link) } else { None }
    }

    pub fn is_connected(&self) -> bool {
        matches!(self.link, LinkState::Up(_))
    }

    /// The object itself.
    pub fn interfaces(&self) -> Interfaces {
        let mut uuids: Vec<String> = self.advertisement.services.iter().map(Uuid::to_string).collect();
        if let Some(database) = &self.database {
            uuids.extend(database.services());
            uuids.sort();
            uuids.dedup();
        }
        let address = self.address.0.clone();
        let mut properties: Properties = [
            ("Alias", Variant::from(self.advertisement.name.clone().unwrap_or(address.replace(':', "-")))),
            ("Address", address.into()),
            ("AddressType", "random".into()),
            ("Adapter", object_path(&self.adapter).into()),
            ("Paired", self.paired.into()),
            ("Bonded", self.paired.into()),
            ("Trusted", self.trusted.into()),
            ("Blocked", false.into()),
            ("LegacyPairing", false.into()),
            ("Connected", self.is_connected().into()),
            ("ServicesResolved", self.resolved.into()),
            ("UUIDs", uuids.into()),
        ]
        .into_iter()
        .collect();
        if let Some(name) = &self.advertisement.name {
            properties.insert("Name", name.clone().into());
        }
        if let Some(rssi) = self.rssi {
            properties.insert("RSSI", rssi.into());
        }
        Interfaces::from([(DEVICE, properties)])
    }

    /// What stands below it, with full paths.
    pub fn attributes(&self) -> Vec<(String, Interfaces)> {
        let nodes = self.database.iter().flat_map(|database| &database.0);
        nodes.map(|(path, node)| (format!("{}/{path}", self.path), self.attribute(path, node))).collect()
    }

    /// One of these.
    pub fn attribute(&self, path: &str, node: &Node) -> Interfaces {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let parent = object_path(format!("{}/{parent}", self.path).trim_end_matches('/'));
        match node {
            Node::Service(uuid) => Interfaces::from([(
                SERVICE,
                Properties::from([
                    ("UUID", uuid.to_string().into()),
                    ("Primary", true.into()),
                    ("Device", parent.into()),
                ]),
            )]),
            Node::Descriptor(uuid) => Interfaces::from([(
                DESCRIPTOR,
                Properties::from([("UUID", uuid.to_string().into()), ("Characteristic", parent.into())]),
            )]),
            Node::Characteristic { uuid, flags } => {
                let flags: Vec<&'static str> = flags.split(' ').collect();
                let mut properties = Properties::from([
                    ("UUID", uuid.to_string().into()),
                    ("Service", parent.into()),
                    ("Value", self.values.get(uuid).cloned().unwrap_or_default().into()),
                    ("MTU", Variant::from(517_u16)),
                ]);
                if flags.iter().any(|flag| is_subscribable(flag)) {
                    let notifying = matches!(&self.link, LinkState::Up(link) if link.listens(*uuid));
                    properties.insert("Notifying", notifying.into());
                }
                properties.insert("Flags", flags.into());
                Interfaces::from([(CHARACTERISTIC, properties)])
            }
        }
    }
}

impl Link {
    pub fn new(number: u64) -> Self {
        Self {
            number,
            keys: Keys::None,
            operations: VecDeque::new(),
            listeners: BTreeSet::new(),
            look: false,
            ticking: false,
            wake_at: None,
            closing: None,
        }
    }

    /// Whether anybody listens to this.
    pub fn listens(&self, uuid: Uuid) -> bool {
        self.listeners.iter().any(|(listened, _)| *listened == uuid)
    }

    /// Whether the next connection event has anything to do.
    pub fn is_pending(&self) -> bool {
        !self.operations.is_empty() || (self.look && !self.listeners.is_empty())
    }
}

impl Operation {
    /// The call that waits for it.
    pub fn into_call(self) -> Option<Call> {
        match self {
            Self::Read { call, .. } | Self::Subscribe { call, .. } => Some(call),
            Self::Write { call, .. } => call,
        }
    }
}
