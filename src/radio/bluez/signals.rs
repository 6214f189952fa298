//! The signals of BlueZ and of the bus that are listened to, and what they say.
//!
//! One stream carries all of them, in the order in which they were sent: that bluetoothd left comes before what the next one shows. The
//! rules are few, fixed, and made once per bus connection. They name interfaces instead of taking all below `/org/bluez`: the values
//! of characteristics would come along, once more for every notification.

use std::collections::HashMap;

use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, OwnedObjectPath, OwnedVariant};

use super::address::device_address;
use super::bus::BLUEZ;
use crate::radio::{LinkClosed, PeerAddress};

const ADAPTER: &str = "org.bluez.Adapter1";
const DEVICE: &str = "org.bluez.Device1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";

/// Properties by name, as D-Bus carries them.
pub(super) type Values = HashMap<String, OwnedVariant>;

/// What a signal says.
#[derive(Debug)]
pub(super) enum Signal {
    /// bluetoothd came (`true`) or went.
    Service(bool),
    /// An adapter came, or something about it changed.
    Adapter(String, Values),
    /// An adapter went.
    AdapterGone(String),
    /// Something happened to a device of the adapter at this path.
    Device(String, DeviceNews),
}

/// Something that happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceNews {
    pub peer: PeerAddress,
    pub event: DeviceEvent,
}

/// What it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceEvent {
    /// BlueZ knows it now.
    Appeared,
    /// Its services are known.
    Resolved,
    /// BlueZ has forgotten it.
    Forgotten,
    /// Its link is gone, and why where BlueZ says so (5.83 is the first that does).
    Disconnected(Option<LinkClosed>),
}

/// Asks the bus for the signals.
pub(super) async fn listen(bus: &Connection) -> zbus::Result<()> {
    let daemon = zbus::fdo::DBusProxy::new(bus).await?;
    for rule in rules()? {
        daemon.add_match_rule(rule).await?;
    }
    Ok(())
}

fn rules() -> zbus::Result<[MatchRule<'static>; 5]> {
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    let of_bluez = || signal().sender(BLUEZ);
    let changed = || of_bluez().interface(PROPERTIES).member("PropertiesChanged");
    Ok([
        signal().sender("org.freedesktop.DBus").member("NameOwnerChanged").arg(0, BLUEZ).build()?,
        of_bluez().interface(OBJECTS).build()?,
        changed().arg(0, ADAPTER).build()?,
        changed().arg(0, DEVICE).build()?,
        of_bluez().interface(DEVICE).member("Disconnected").build()?,
    ])
}

/// Reads a message. Most say nothing that matters here; one that cannot be read says nothing either.
pub(super) fn read(message: &Message) -> Option<Signal> {
    if message.message_type() != Type::Signal {
        return None;
    }
    let header = message.header();
    let path = header.path()?.as_str();
    match (header.interface()?.as_str(), header.member()?.as_str()) {
        ("org.freedesktop.DBus", "NameOwnerChanged") => owner_changed(message),
        (OBJECTS, "InterfacesAdded") => added(message),
        (OBJECTS, "InterfacesRemoved") => removed(message),
        (PROPERTIES, "PropertiesChanged") => changed(path, message),
        (DEVICE, "Disconnected") => disconnected(path, message),
        _ => None,
    }
}

fn owner_changed(message: &Message) -> Option<Signal> {
    let (name, _, new): (String, String, String) = message.body().deserialize().ok()?;
    (name == BLUEZ).then_some(Signal::Service(!new.is_empty()))
}

fn added(message: &Message) -> Option<Signal> {
    let (path, mut interfaces): (OwnedObjectPath, HashMap<String, Values>) =
        message.body().deserialize().ok()?;
    if let Some(values) = interfaces.remove(ADAPTER) {
        return Some(Signal::Adapter(path.as_str().to_owned(), values));
    }
    interfaces.contains_key(DEVICE).then(|| device(path.as_str(), DeviceEvent::Appeared))?
}

fn removed(message: &Message) -> Option<Signal> {
    let (path, interfaces): (OwnedObjectPath, Vec<String>) = message.body().deserialize().ok()?;
    if interfaces.iter().any(|interface| interface == ADAPTER) {
        return Some(Signal::AdapterGone(path.as_str().to_owned()));
    }
    let is_device = interfaces.iter().any(|interface| interface == DEVICE);
    is_device.then(|| device(path.as_str(), DeviceEvent::Forgotten))?
}

fn changed(path: &str, message: &Message) -> Option<Signal> {
    let (interface, values, _): (String, Values, Vec<String>) = message.body().deserialize().ok()?;
    match interface.as_str() {
        ADAPTER => Some(Signal::Adapter(path.to_owned(), values)),
        DEVICE if flag(&values, "Connected") == Some(false) => device(path, DeviceEvent::Disconnected(None)),
        DEVICE if flag(&values, "ServicesResolved") == Some(true) => device(path, DeviceEvent::Resolved),
        _ => None,
    }
}

fn disconnected(path: &str, message: &Message) -> Option<Signal> {
    let (reason, _): (String, String) = message.body().deserialize().ok()?;
    let reason = match reason.rsplit('.').next() {
        Some("Timeout") => Some(LinkClosed::Lost),
        Some("Remote") => Some(LinkClosed::ByPeer),
        Some("Local") => Some(LinkClosed::ByHost),
        Some("Suspend") => Some(LinkClosed::RadioGone),
        _ => None,
    };
    device(path, DeviceEvent::Disconnected(reason))
}

fn device(path: &str, event: DeviceEvent) -> Option<Signal> {
    let (adapter, _) = path.rsplit_once("/dev_")?;
    Some(Signal::Device(adapter.to_owned(), DeviceNews { peer: device_address(path)?, event }))
}

/// A property that is yes or no.
pub(super) fn flag(values: &Values, name: &str) -> Option<bool> {
    values.get(name).and_then(|value| bool::try_from(value).ok())
}

/// A property that is text.
pub(super) fn text(values: &Values, name: &str) -> Option<String> {
    values.get(name).and_then(|value| <&str>::try_from(value).ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCH: &str = "/org/bluez/hci0/dev_E7_12_0A_00_00_01";

    fn signal<B: serde::Serialize + zbus::Type>(
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Message {
        Message::signal(path, interface, member).build(body).unwrap()
    }

    fn device_news(message: &Message) -> Option<DeviceEvent> {
        match read(message)? {
            Signal::Device(adapter, news) => {
                assert_eq!(
                    (adapter.as_str(), news.peer.0.as_str()),
                    ("/org/bluez/hci0", "E7:12:0A:00:00:01")
                );
                Some(news.event)
            }
            _ => None,
        }
    }

    #[test]
    fn a_link_that_ended_is_told_from_other_changes() {
        let change = |name: &str, value: bool| {
            let values = HashMap::from([(name, zbus::Variant::from(value))]);
            device_news(&signal(
                WATCH,
                PROPERTIES,
                "PropertiesChanged",
                &(DEVICE, values, Vec::<&str>::new()),
            ))
        };
        assert_eq!(change("Connected", false), Some(DeviceEvent::Disconnected(None)));
        assert_eq!(change("Connected", true), None);
        assert_eq!(change("ServicesResolved", false), None);
        assert_eq!(change("ServicesResolved", true), Some(DeviceEvent::Resolved));
    }

    #[test]
    fn a_reason_is_passed_on_where_bluez_gives_one() {
        let reason = |name: &str| {
            let message = signal(WATCH, DEVICE, "Disconnected", &(format!("org.bluez.Reason.{name}"), "…"));
            device_news(&message)
        };
        assert_eq!(reason("Remote"), Some(DeviceEvent::Disconnected(Some(LinkClosed::ByPeer))));
        assert_eq!(reason("Timeout"), Some(DeviceEvent::Disconnected(Some(LinkClosed::Lost))));
        assert_eq!(reason("Unknown"), Some(DeviceEvent::Disconnected(None)));
    }

    #[test]
    fn a_signal_of_another_shape_says_nothing() {
        assert!(read(&signal(WATCH, PROPERTIES, "PropertiesChanged", &7_u32)).is_none());
        assert!(read(&signal("/", OBJECTS, "InterfacesAdded", &"all of them")).is_none());
        let none: Values = HashMap::new();
        assert!(
            read(&signal("/", OBJECTS, "InterfacesAdded", &(zbus::ObjectPath::default(), none))).is_none()
        );
    }

    #[test]
    fn bluetoothd_comes_and_goes() {
        let change = |old: &str, new: &str| {
            let interface = "org.freedesktop.DBus";
            read(&signal("/org/freedesktop/DBus", interface, "NameOwnerChanged", &(BLUEZ, old, new)))
        };
        assert!(matches!(change(":1.5", ""), Some(Signal::Service(false))));
        assert!(matches!(change("", ":1.9"), Some(Signal::Service(true))));
        assert!(matches!(change(":1.9", ":1.12"), Some(Signal::Service(true))));
    }
}
