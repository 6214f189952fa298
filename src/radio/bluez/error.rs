//! What BlueZ means by an error.
//!
//! BlueZ and the bus name their errors, and the name decides. Only `org.bluez.Error.Failed` and `NotPermitted` cover many causes under
//! one name; for them the text does, by one table (BlueZ: src/error.h, src/gatt-client.c). Texts that are not in it are passed
//! on as they are.

use std::time::Duration;

use bluez_async::BluetoothError;
use tokio::time::timeout;
use zbus::DBusError as _;

use crate::radio::{LinkClosed, PeerAddress, RadioError, RadioTrouble};

const FAILED: &str = "org.bluez.Error.Failed";
const NOT_PERMITTED: &str = "org.bluez.Error.NotPermitted";
/// Named by us where nothing came over the bus.
const OUR_DEADLINE: &str = "nowbridge.Deadline";
const NOT_PAIRED: &str = "org.bluez.Error.NotPaired";
const BUS_GONE: &str = "org.freedesktop.DBus.Error.Disconnected";

/// An error reply: its D-Bus name and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    name: String,
    detail: String,
}

/// What an error comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The connection broke off while it was made.
    Aborted,
    /// Something else is under way.
    Busy,
    /// There is no link, or no longer.
    NotConnected,
    /// It is connected already.
    AlreadyConnected,
    /// The peer wants an encrypted link and we hold no key for it.
    NotPaired,
    /// The object is not there (any more).
    Unknown,
    /// The adapter is off.
    AdapterOff,
    /// The peer refused with this ATT error.
    Refused(u8),
    /// No answer.
    TimedOut,
    /// bluetoothd or the bus is gone.
    ServiceGone,
    /// Anything else.
    Other,
}

/// What stands behind the texts of the two names that cover many causes. Compared without regard to case: 5.66 and 5.82 differ in it.
const DETAILS: [(&str, Meaning); 16] = [
    ("le-connection-abort-by-local", Meaning::Aborted),
    ("le-connection-abort-by-remote", Meaning::Aborted),
    ("le-connection-canceled", Meaning::Aborted),
    ("le-connection-timeout", Meaning::Aborted),
    ("le-connection-link-layer-protocol-error", Meaning::Aborted),
    ("software caused connection abort", Meaning::Aborted),
    ("connection reset by peer", Meaning::Aborted),
    ("input/output error", Meaning::Aborted),
    ("le-connection-busy", Meaning::Busy),
    ("operation already in progress", Meaning::Busy),
    ("in progress", Meaning::Busy),
    ("not connected", Meaning::NotConnected),
    ("not paired", Meaning::NotPaired),
    ("le-connection-adapter-not-powered", Meaning::AdapterOff),
    ("read not permitted", Meaning::Refused(0x02)),
    ("write not permitted", Meaning::Refused(0x03)),
];
/// How BlueZ passes on an ATT error that it has no name for: `Operation failed with ATT error: 0x80 (…)`.
const ATT_ERROR: &str = "ATT error: 0x";

impl Fault {
    pub fn new(name: &str, detail: &str) -> Self {
        Self { name: name.to_owned(), detail: detail.to_owned() }
    }

    /// We stopped waiting for `what`.
    pub fn deadline(what: &str) -> Self {
        Self::new(OUR_DEADLINE, &format!("no answer to {what}"))
    }

    /// Whether the connection to the bus itself is gone, not only who was spoken to.
    pub fn is_of_a_dead_connection(&self) -> bool {
        self.name == BUS_GONE
    }

    /// The peer wanted to pair for `what`, and our agent refused.
    pub fn turned_away(what: &str) -> Self {
        Self::new(NOT_PAIRED, &format!("no pairing for {what}"))
    }

    /// What it comes to.
    pub fn meaning(&self) -> Meaning {
        match self.name.as_str() {
            FAILED | NOT_PERMITTED | "org.bluez.Error" => meaning_of_detail(&self.detail),
            name => meaning_of_name(name, &self.detail),
        }
    }

    /// The error of a call about `peer`. `bonded`: whether this host holds a bond with it.
    pub fn into_radio(self, peer: &PeerAddress, bonded: bool, what: &'static str) -> RadioError {
        match self.meaning() {
            Meaning::Aborted => RadioError::Aborted(peer.clone()),
            Meaning::Busy => RadioError::Busy(self.detail),
            Meaning::NotConnected | Meaning::Unknown => LinkClosed::Lost.into(),
            Meaning::NotPaired | Meaning::Refused(0x05 | 0x0f) if bonded => {
                RadioError::StaleBond(peer.clone())
            }
            Meaning::NotPaired | Meaning::Refused(0x05 | 0x0f) => RadioError::PairingNeeded(peer.clone()),
            Meaning::AdapterOff => RadioError::NotReady(RadioTrouble::AdapterOff),
            Meaning::Refused(code) => RadioError::Refused { code },
            Meaning::TimedOut => RadioError::Timeout(what),
            Meaning::ServiceGone => LinkClosed::RadioGone.into(),
            Meaning::AlreadyConnected | Meaning::Other => RadioError::Other(format!("{what}: {self}")),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name.rsplit('.').next().unwrap_or(&self.name);
        match (self.detail.as_str(), name) {
            ("", only) | (only, "") => f.write_str(only),
            (detail, name) => write!(f, "{detail} ({name})"),
        }
    }
}

fn meaning_of_name(name: &str, detail: &str) -> Meaning {
    if let Some(bluez) = name.strip_prefix("org.bluez.Error.") {
        return match bluez {
            "InProgress" | "Busy" => Meaning::Busy,
            "AlreadyConnected" => Meaning::AlreadyConnected,
            "NotConnected" => Meaning::NotConnected,
            "DoesNotExist" | "NotAvailable" => Meaning::Unknown,
            "NotReady" => Meaning::AdapterOff,
            "NotAuthorized" => Meaning::Refused(0x08),
            "NotSupported" => Meaning::Refused(0x06),
            "InvalidOffset" => Meaning::Refused(0x07),
            "InvalidValueLength" => Meaning::Refused(0x0d),
            "InvalidArguments" if detail.eq_ignore_ascii_case("invalid offset") => Meaning::Refused(0x07),
            "InvalidArguments" if detail.eq_ignore_ascii_case("invalid length") => Meaning::Refused(0x0d),
            "AuthenticationFailed" | "AuthenticationRejected" | "AuthenticationCanceled" | "NotPaired" => {
                Meaning::NotPaired
            }
            "ConnectionAttemptFailed" | "AuthenticationTimeout" => Meaning::Aborted,
            _ => Meaning::Other,
        };
    }
    match name.rsplit('.').next() {
        Some("UnknownObject" | "UnknownMethod" | "UnknownInterface" | "UnknownProperty") => Meaning::Unknown,
        Some("NoReply" | "Timeout" | "TimedOut" | "Deadline") => Meaning::TimedOut,
        Some("Disconnected" | "ServiceUnknown" | "NameHasNoOwner") => Meaning::ServiceGone,
        _ => Meaning::Other,
    }
}

fn meaning_of_detail(detail: &str) -> Meaning {
    if let Some((_, code)) = detail.split_once(ATT_ERROR) {
        let digits = code.get(..2).unwrap_or_default();
        return u8::from_str_radix(digits, 16).map_or(Meaning::Other, Meaning::Refused);
    }
    let known = DETAILS.iter().find(|(text, _)| detail.eq_ignore_ascii_case(text));
    known.map_or(Meaning::Other, |(_, meaning)| *meaning)
}

impl From<zbus::Error> for Fault {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, detail, _) => {
                Self::new(name.as_str(), detail.as_deref().unwrap_or_default())
            }
            zbus::Error::FDO(error) => {
                Self::new(error.name().as_str(), error.description().unwrap_or_default())
            }
            zbus::Error::InputOutput(error) => Self::new(BUS_GONE, &error.to_string()),
            other => Self::new("", &other.to_string()),
        }
    }
}

impl From<btleplug::Error> for Fault {
    fn from(error: btleplug::Error) -> Self {
        use btleplug::Error;
        match error {
            Error::DeviceNotFound => Self::new("org.bluez.Error.DoesNotExist", "the device is not known"),
            Error::NotConnected => Self::new("org.bluez.Error.NotConnected", ""),
            Error::PermissionDenied => Self::new("org.freedesktop.DBus.Error.AccessDenied", ""),
            Error::Other(error) => match error.downcast::<BluetoothError>() {
                Ok(error) => (*error).into(),
                Err(error) => Self::new("", &error.to_string()),
            },
            other => Self::new("", &other.to_string()),
        }
    }
}

impl From<BluetoothError> for Fault {
    fn from(error: BluetoothError) -> Self {
        match error {
            BluetoothError::DbusError(error) => {
                // What libdbus says when its socket is closed carries the most general of all names.
                let lost = error.message() == Some("Failed to send message");
                let name = if lost { BUS_GONE } else { error.name().unwrap_or_default() };
                Self::new(name, error.message().unwrap_or_default())
            }
            BluetoothError::ServiceDiscoveryTimedOut => Self::deadline("service discovery"),
            other => Self::new("", &other.to_string()),
        }
    }
}

/// Waits for a call over the bus, but not for ever.
pub(super) async fn within<T, E: Into<Fault>>(
    limit: Duration,
    what: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match timeout(limit, call).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Fault::deadline(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(detail: &str) -> Meaning {
        Fault::new(FAILED, detail).meaning()
    }

    #[test]
    fn the_texts_of_both_versions_are_understood() {
        assert_eq!(failed("Operation already in progress"), Meaning::Busy);
        assert_eq!(failed("In Progress"), Meaning::Busy);
        assert_eq!(failed("le-connection-abort-by-local"), Meaning::Aborted);
        assert_eq!(failed("Software caused connection abort"), Meaning::Aborted);
        assert_eq!(failed("Not connected"), Meaning::NotConnected);
        assert_eq!(failed("Operation failed with ATT error: 0x80 (Application)"), Meaning::Refused(0x80));
        assert_eq!(failed("Operation failed with ATT error: 0x"), Meaning::Other);
        assert_eq!(failed("Operation failed with ATT error: 0x€"), Meaning::Other);
        assert_eq!(failed("Failed to initiate write"), Meaning::Other);
        assert_eq!(Fault::new(NOT_PERMITTED, "Not paired").meaning(), Meaning::NotPaired);
        assert_eq!(Fault::new(NOT_PERMITTED, "Write not permitted").meaning(), Meaning::Refused(3));
    }

    #[test]
    fn a_name_counts_for_more_than_a_text() {
        let misleading = Fault::new("org.bluez.Error.InProgress", "Not connected");
        assert_eq!(misleading.meaning(), Meaning::Busy);
        let unknown = Fault::new("org.freedesktop.DBus.Error.UnknownObject", "le-connection-abort-by-local");
        assert_eq!(unknown.meaning(), Meaning::Unknown);
    }

    #[test]
    fn errors_are_read_through_the_layers_that_pass_them_on() {
        let inner = dbus::Error::new_custom("org.bluez.Error.InProgress", "Operation already in progress");
        let error = btleplug::Error::Other(Box::new(BluetoothError::DbusError(inner)));
        assert_eq!(Fault::from(error).meaning(), Meaning::Busy);
        let cut_off = BluetoothError::DbusError(dbus::Error::new_failed("Failed to send message"));
        assert_eq!(Fault::from(cut_off).meaning(), Meaning::ServiceGone);
        let gone = zbus::Error::from(zbus::fdo::Error::UnknownObject("no such thing".to_owned()));
        assert_eq!(Fault::from(gone).meaning(), Meaning::Unknown);
    }

    #[test]
    fn a_refusal_for_want_of_encryption_depends_on_the_bond() {
        let peer = PeerAddress("E7:12:0A:00:00:01".to_owned());
        let refused = |bonded| {
            let fault = Fault::new(FAILED, "Operation failed with ATT error: 0x05");
            fault.into_radio(&peer, bonded, "a read")
        };
        assert!(matches!(refused(true), RadioError::StaleBond(who) if who == peer));
        assert!(matches!(refused(false), RadioError::PairingNeeded(who) if who == peer));
    }
}
