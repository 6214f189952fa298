//! What a device offers, as `probe` tells it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::radio::{Attribute, PeerAddress, Properties};
use crate::watch::{Abilities, DriverName, Identity, known_name};

/// What a device offers, and what can be done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Where it is reached.
    pub address: PeerAddress,
    /// The MTU of the link.
    pub mtu: u16,
    /// Whether this computer has a bond with it.
    pub bonded: bool,
    /// What discovery found.
    pub services: Vec<ProbedService>,
    /// The driver that would take it.
    pub driver: Option<DriverName>,
    /// What the driver can do with it.
    pub abilities: Vec<String>,
    /// Who it says it is, as far as it was ready to tell.
    pub identity: Identity,
    /// Whether it wants to be paired before it tells more.
    pub wants_pairing: bool,
    /// Why it told no more.
    pub trouble: Option<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedService {
    /// Which one; `None` where the radio does not tell to which service a characteristic belongs.
    pub uuid: Option<Uuid>,
    /// What it is called, if it is known.
    pub name: Option<String>,
    /// What is in it.
    pub characteristics: Vec<ProbedCharacteristic>,
}

/// A characteristic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedCharacteristic {
    /// Which one.
    pub uuid: Uuid,
    /// What it is called, if it is known.
    pub name: Option<String>,
    /// What may be done with it, in words; empty where the radio does not tell.
    pub properties: Vec<String>,
}

impl ProbedService {
    /// The services of a profile, in its order.
    pub fn of(profile: &[Attribute]) -> Vec<Self> {
        let mut services: Vec<Self> = Vec::new();
        for attribute in profile {
            let found = services.iter().position(|service| service.uuid == attribute.service);
            let index = found.unwrap_or_else(|| {
                let name = attribute.service.and_then(known_name).map(str::to_owned);
                services.push(Self { uuid: attribute.service, name, characteristics: Vec::new() });
                services.len() - 1
            });
            services[index].characteristics.push(ProbedCharacteristic {
                uuid: attribute.characteristic,
                name: known_name(attribute.characteristic).map(str::to_owned),
                properties: properties_in_words(attribute.properties),
            });
        }
        services
    }
}

fn properties_in_words(properties: Properties) -> Vec<String> {
    let words = [
        (Properties::READ, "read"),
        (Properties::WRITE, "write"),
        (Properties::WRITE_WITHOUT_RESPONSE, "write without response"),
        (Properties::NOTIFY, "notify"),
        (Properties::INDICATE, "indicate"),
    ];
    words.into_iter().filter(|(bit, _)| properties.any(*bit)).map(|(_, word)| word.to_owned()).collect()
}

/// What can be done, in words.
pub fn abilities_in_words(abilities: Abilities) -> Vec<String> {
    let words = [
        (Abilities::LOG, "log"),
        (Abilities::LIVE, "live"),
        (Abilities::CLOCK, "clock"),
        (Abilities::BATTERY, "battery"),
        (Abilities::FIRMWARE, "firmware"),
    ];
    words.into_iter().filter(|(bit, _)| abilities.has(*bit)).map(|(_, word)| word.to_owned()).collect()
}

#[cfg(test)]
impl Probe {
    /// A heart-rate strap.
    pub(crate) fn example() -> Self {
        use crate::radio::sig;
        let attribute = |service, characteristic, properties| Attribute {
            service: Some(sig(service)),
            characteristic: sig(characteristic),
            properties,
        };
        let profile = [
            attribute(0x180D, 0x2A37, Properties::NOTIFY),
            attribute(0x180D, 0x2A38, Properties::READ),
            attribute(0x180F, 0x2A19, Properties::READ.and(Properties::NOTIFY)),
            attribute(0xFD00, 0xFD01, Properties::WRITE.and(Properties::WRITE_WITHOUT_RESPONSE)),
        ];
        Self {
            address: PeerAddress("E7:12:0A:00:00:01".to_owned()),
            mtu: 247,
            bonded: false,
            services: ProbedService::of(&profile),
            driver: Some(DriverName::Sensor),
            abilities: abilities_in_words(Abilities::LIVE.and(Abilities::BATTERY)),
            identity: Identity {
                maker: Some("Example".to_owned()),
                model: Some("Strap 2".to_owned()),
                battery: Some(87),
                ..Identity::default()
            },
            wants_pairing: false,
            trouble: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::sig;

    #[test]
    fn characteristics_are_told_by_service_whatever_the_order() {
        let attribute = |service: u16, characteristic| Attribute {
            service: Some(sig(service)),
            characteristic: sig(characteristic),
            properties: Properties::READ.and(Properties::INDICATE),
        };
        let services = ProbedService::of(&[
            attribute(0x180D, 0x2A37),
            attribute(0x180A, 0x2A29),
            attribute(0x180D, 0x2A38),
        ]);
        let told: Vec<_> =
            services.iter().map(|service| (service.name.as_deref(), service.characteristics.len())).collect();
        assert_eq!(told, [(Some("Heart Rate"), 2), (Some("Device Information"), 1)]);
        assert_eq!(services[0].characteristics[0].properties, ["read", "indicate"]);
    }
}
