//! A look at all that bluetoothd shows: adapters, and devices that were heard.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use uuid::Uuid;
use zbus::names::BusName;
use zbus::{Connection, OwnedVariant};

use super::bus::{self, BLUEZ};
use super::error::{Fault, within};
use super::ground::STEP_DEADLINE;
use super::picture::AdapterFacts;
use super::rfkill;
use super::signals::{Values, flag, text};
use crate::radio::{PeerAddress, Sighting};

/// By path.
pub(super) type Adapters = BTreeMap<String, AdapterFacts>;

/// Peers that one scan returns at most. A stadium has fewer; a prankster's transmitter does not.
const SIGHTINGS: usize = 8192;
/// Services that one advertisement names at most: more do not fit into one.
const SERVICES: usize = 64;

/// The adapters, or `None` if bluetoothd is not on the bus. Does not start it: whoever stopped it may have meant it.
pub(super) async fn adapters(bus: &Connection, sysfs: &Path) -> Result<Option<Adapters>, Fault> {
    let daemon = zbus::fdo::DBusProxy::new(bus).await?;
    let name = BusName::try_from(BLUEZ)?;
    let there = async { daemon.name_has_owner(name).await.map_err(zbus::Error::from) };
    if !within(STEP_DEADLINE, "the bus", there).await? {
        return Ok(None);
    }
    let objects = within(STEP_DEADLINE, "the Bluetooth service", bus::objects(bus)).await?;
    let mut adapters = Adapters::new();
    for (path, mut interfaces) in objects {
        if let Some(values) = interfaces.remove("org.bluez.Adapter1") {
            let mut facts = AdapterFacts::default();
            update(&mut facts, &values);
            if !facts.powered && !values.contains_key("PowerState") {
                facts.blocked = rfkill::blocked(sysfs);
            }
            adapters.insert(path.as_str().to_owned(), facts);
        }
    }
    Ok(Some(adapters))
}

/// Takes over what is told of an adapter.
pub(super) fn update(facts: &mut AdapterFacts, values: &Values) {
    if let Some(address) = text(values, "Address") {
        facts.address = address;
    }
    if let Some(powered) = flag(values, "Powered") {
        facts.powered = powered;
    }
    if let Some(state) = text(values, "PowerState") {
        facts.blocked = state == "off-blocked";
    }
}

/// Adds the devices of the adapter at `adapter` that are being heard.
pub(super) async fn heard(
    bus: &Connection,
    adapter: &str,
    sightings: &mut HashMap<PeerAddress, Sighting>,
) -> Result<(), Fault> {
    let objects = within(STEP_DEADLINE, "the devices", bus::objects(bus)).await?;
    for (path, mut interfaces) in objects {
        let ours = path.as_str().strip_prefix(adapter).is_some_and(|rest| rest.starts_with("/dev_"));
        let Some(values) = interfaces.remove("org.bluez.Device1").filter(|_| ours) else { continue };
        if let Some(sighting) = sighting(&values)
            && (sightings.len() < SIGHTINGS || sighting.bonded)
        {
            sightings.insert(sighting.address.clone(), sighting);
        }
    }
    Ok(())
}

/// The devices in the order of their strength.
pub(super) fn strongest_first(sightings: HashMap<PeerAddress, Sighting>) -> Vec<Sighting> {
    let mut sightings: Vec<Sighting> = sightings.into_values().collect();
    sightings.sort_by(|a, b| (Reverse(a.rssi), &a.address).cmp(&(Reverse(b.rssi), &b.address)));
    sightings
}

/// A device that is being heard: BlueZ shows a signal strength only while it listens, and only of those that it hears. So one that it
/// merely remembers is none.
fn sighting(values: &Values) -> Option<Sighting> {
    let rssi = number(values, "RSSI")?;
    let uuids: Vec<String> =
        values.get("UUIDs").and_then(|value| value.clone().try_into().ok()).unwrap_or_default();
    Some(Sighting {
        address: PeerAddress(text(values, "Address")?),
        name: text(values, "Name"),
        rssi: Some(rssi),
        services: uuids.iter().take(SERVICES).filter_map(|uuid| Uuid::parse_str(uuid).ok()).collect(),
        appearance: number(values, "Appearance"),
        bonded: flag(values, "Paired") == Some(true) || flag(values, "Bonded") == Some(true),
    })
}

fn number<'a, T: TryFrom<&'a OwnedVariant>>(values: &'a Values, name: &str) -> Option<T> {
    values.get(name).and_then(|value| T::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: Vec<(&str, zbus::Variant<'_>)>) -> Values {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.try_into().unwrap())).collect()
    }

    #[test]
    fn a_device_that_is_only_remembered_was_not_seen() {
        let mut device = values(vec![("Address", "E7:12:0A:00:00:01".into()), ("Paired", true.into())]);
        assert_eq!(sighting(&device), None);
        device.extend(values(vec![("RSSI", (-61_i16).into()), ("Appearance", 193_u16.into())]));
        let uuids = vec!["0000180d-0000-1000-8000-00805f9b34fb".to_owned(), "heart rate".to_owned()];
        device.extend(values(vec![("UUIDs", uuids.into())]));
        let seen = sighting(&device).unwrap();
        assert_eq!((seen.rssi, seen.appearance, seen.bonded, seen.name), (Some(-61), Some(193), true, None));
        assert_eq!(seen.services, [crate::radio::sig(0x180D)]);
    }

    #[test]
    fn a_value_of_another_type_is_no_value() {
        let device = values(vec![("Address", "E7:12:0A:00:00:01".into()), ("RSSI", "loud".into())]);
        assert_eq!(sighting(&device), None);
    }

    #[test]
    fn facts_change_only_where_something_was_told() {
        let mut facts = AdapterFacts::default();
        update(&mut facts, &values(vec![("Address", "00:AA:01:00:00:42".into()), ("Powered", true.into())]));
        update(&mut facts, &values(vec![("Powered", false.into()), ("PowerState", "off-blocked".into())]));
        assert_eq!(
            facts,
            AdapterFacts { address: "00:AA:01:00:00:42".to_owned(), powered: false, blocked: true }
        );
        update(&mut facts, &values(vec![("PowerState", "off".into())]));
        assert!(!facts.blocked);
    }
}
