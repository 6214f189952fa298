//! An adapter and its object.

use std::collections::{BTreeMap, BTreeSet};

use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::Advertisement;
use zbus::Variant;

use super::device::Device;
use super::outgoing::{ADAPTER, Interfaces, Properties};

/// An adapter that is plugged in.
pub struct Adapter {
    pub path: String,
    pub address: String,
    pub powered: bool,
    /// By rfkill.
    pub blocked: bool,
    /// Clients that wanted discovery.
    pub discoverers: BTreeSet<String>,
    /// By client, what addresses or names that it wants begin with.
    pub filters: BTreeMap<String, String>,
    pub devices: BTreeMap<PeerAddress, Device>,
}

impl Adapter {
    pub fn new(path: &str, address: &str) -> Self {
        Self {
            path: path.to_owned(),
            address: address.to_owned(),
            powered: true,
            blocked: false,
            discoverers: BTreeSet::new(),
            filters: BTreeMap::new(),
            devices: BTreeMap::new(),
        }
    }

    /// Whether anybody who listens wants to hear of this one.
    pub fn is_wanted(&self, peer: &PeerAddress, advertisement: &Advertisement) -> bool {
        let name = advertisement.name.as_deref().unwrap_or_default();
        self.discoverers.iter().any(|client| {
            let pattern = self.filters.get(client).map_or("", String::as_str);
            peer.0.starts_with(pattern) || name.starts_with(pattern)
        })
    }

    /// The word for whether it is on.
    pub fn power_state(&self) -> &'static str {
        match (self.blocked, self.powered) {
            (true, _) => "off-blocked",
            (false, true) => "on",
            (false, false) => "off",
        }
    }

    /// Its object.
    pub fn interfaces(&self) -> Interfaces {
        let properties: Properties = [
            ("Address", Variant::from(self.address.clone())),
            ("AddressType", "public".into()),
            ("Name", "fake".into()),
            ("Alias", "fake".into()),
            ("Class", 0_u32.into()),
            ("Powered", self.powered.into()),
            ("PowerState", self.power_state().into()),
            ("Discoverable", false.into()),
            ("Pairable", true.into()),
            ("Discovering", (!self.discoverers.is_empty()).into()),
            ("UUIDs", Vec::<String>::new().into()),
            ("Modalias", "usb:v1D6Bp0246d0542".into()),
        ]
        .into_iter()
        .collect();
        Interfaces::from([(ADAPTER, properties)])
    }
}
