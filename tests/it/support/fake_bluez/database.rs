//! The GATT database of a watch: services, characteristics and descriptors, by path.
//!
//! A [`Peripheral`](nowbridge::radio::air::Peripheral) only lists its characteristics; which service each belongs to and what may
//! be done with it stands in a table here.

use std::collections::BTreeMap;

use nowbridge::radio::sig;
use nowbridge::wire::bridge;
use uuid::{Uuid, uuid};

/// Nordic's UART service, with three values more: the test service of the lab's sensor.
pub const TEST_SERVICE: Uuid = uuid!("6e400001-b5a3-f393-e0a9-e50e24dcca9e");
/// What is written here is counted.
pub const RX: Uuid = uuid!("6e400002-b5a3-f393-e0a9-e50e24dcca9e");
/// Streams on command.
pub const TX: Uuid = uuid!("6e400003-b5a3-f393-e0a9-e50e24dcca9e");
/// Bytes and writes that came in at [`RX`], two u32.
pub const STAT: Uuid = uuid!("6e400004-b5a3-f393-e0a9-e50e24dcca9e");
/// Read over an encrypted link only.
pub const SEC: Uuid = uuid!("6e400005-b5a3-f393-e0a9-e50e24dcca9e");
/// Read over an authenticated link only.
pub const AUTH: Uuid = uuid!("6e400006-b5a3-f393-e0a9-e50e24dcca9e");

/// A characteristic, its service, and its flags as BlueZ prints them.
const TABLE: [(Uuid, Uuid, &str); 17] = [
    (bridge::SERVICE, bridge::INFO, "read"),
    (bridge::SERVICE, bridge::CONTROL, "write notify"),
    (bridge::SERVICE, bridge::DATA, "notify"),
    (bridge::SERVICE, bridge::TIME, "read write"),
    (sig(0x180D), sig(0x2A37), "notify"),
    (sig(0x180D), sig(0x2A38), "read"),
    (sig(0x1809), sig(0x2A1C), "indicate"),
    (sig(0x180F), sig(0x2A19), "read notify"),
    (sig(0x180A), sig(0x2A29), "read"),
    (sig(0x180A), sig(0x2A24), "read"),
    (sig(0x180A), sig(0x2A25), "read"),
    (sig(0x180A), sig(0x2A26), "read"),
    (TEST_SERVICE, RX, "write write-without-response"),
    (TEST_SERVICE, TX, "notify"),
    (TEST_SERVICE, STAT, "read"),
    (TEST_SERVICE, SEC, "read"),
    (TEST_SERVICE, AUTH, "read"),
];
/// Anything else.
const OTHER: (Uuid, &str) = (sig(0xFFF0), "read write write-without-response notify");
/// GAP and GATT come first; BlueZ keeps them to itself.
const FIRST_HANDLE: u16 = 0x000E;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Service(Uuid),
    Characteristic { uuid: Uuid, flags: &'static str },
    Descriptor(Uuid),
}

/// Nodes by their path below the device, such as `service000e/char000f`.
#[derive(Clone, Debug, Default)]
pub struct Database(pub BTreeMap<String, Node>);

impl Database {
    /// The database of a watch with these characteristics.
    pub fn of(characteristics: &[Uuid]) -> Self {
        let mut services: Vec<(Uuid, Vec<(Uuid, &'static str)>)> = Vec::new();
        for &uuid in characteristics {
            let (service, flags) = entry(uuid);
            let at = services.iter().position(|(known, _)| *known == service).unwrap_or(services.len());
            if at == services.len() {
                services.push((service, Vec::new()));
            }
            services[at].1.push((uuid, flags));
        }
        let (mut nodes, mut handle) = (BTreeMap::new(), FIRST_HANDLE);
        for (service, characteristics) in services {
            let service_path = format!("service{handle:04x}");
            nodes.insert(service_path.clone(), Node::Service(service));
            handle += 1;
            for (uuid, flags) in characteristics {
                let path = format!("{service_path}/char{handle:04x}");
                if is_subscribable(flags) {
                    nodes.insert(format!("{path}/desc{:04x}", handle + 2), Node::Descriptor(sig(0x2902)));
                }
                nodes.insert(path, Node::Characteristic { uuid, flags });
                handle += 3;
            }
        }
        Self(nodes)
    }

    /// Where a characteristic stands.
    pub fn path_of(&self, wanted: Uuid) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(_, node)| matches!(node, Node::Characteristic { uuid, .. } if *uuid == wanted));
        found.map(|(path, _)| path.as_str())
    }

    /// The services.
    pub fn services(&self) -> Vec<String> {
        let uuid = |node: &Node| if let Node::Service(uuid) = node { Some(uuid.to_string()) } else { None };
        self.0.values().filter_map(uuid).collect()
    }
}

/// Whether notifications or indications can be turned on.
pub fn is_subscribable(flags: &str) -> bool {
    flags.split(' ').any(|flag| flag == "notify" || flag == "indicate")
}

/// Whether a read needs an encrypted link.
pub fn is_protected(uuid: Uuid) -> bool {
    uuid == SEC || uuid == AUTH
}

fn entry(uuid: Uuid) -> (Uuid, &'static str) {
    let known = TABLE.iter().find(|(_, characteristic, _)| *characteristic == uuid);
    known.map_or(OTHER, |&(service, _, flags)| (service, flags))
}
