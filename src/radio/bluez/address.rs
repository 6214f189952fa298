//! Names of things: controller and device addresses, and the D-Bus paths that BlueZ makes of them.

use std::fmt;
use std::str::FromStr;

use crate::radio::PeerAddress;

/// Which adapter to use. Paths such as `hci0` change when a dongle is replugged; a controller address does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The only one, or the first by path.
    #[default]
    Any,
    /// The one with this controller address.
    Controller(ControllerAddress),
}

/// The address of a Bluetooth controller, in capitals.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControllerAddress(String);

/// Text that is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a Bluetooth address; one looks like \"00:1A:7D:DA:71:13\"")]
pub struct InvalidAddress(pub String);

impl FromStr for ControllerAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        PeerAddress::parse(text).map(|address| Self(address.0)).ok_or_else(|| InvalidAddress(text.to_owned()))
    }
}

impl fmt::Display for ControllerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AdapterChoice {
    /// Whether the adapter with this controller address will do.
    pub fn takes(&self, address: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Controller(wanted) => wanted.0.eq_ignore_ascii_case(address),
        }
    }
}

/// Where BlueZ keeps a device: `/org/bluez/hci0/dev_E7_12_0A_00_00_01`. `None` if the address is not one.
pub(super) fn device_path(adapter: &str, peer: &PeerAddress) -> Option<String> {
    PeerAddress::parse(&peer.0).map(|peer| format!("{adapter}/dev_{}", peer.0.replace(':', "_")))
}

/// The address of the device at a path, also of something that belongs to it (a service, a characteristic).
pub(super) fn device_address(path: &str) -> Option<PeerAddress> {
    let rest = path.split_once("/dev_")?.1;
    PeerAddress::parse(&rest.split('/').next()?.replace('_', ":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_go_both_ways() {
        let peer = PeerAddress("E7:12:0A:00:00:01".to_owned());
        let path = device_path("/org/bluez/hci0", &peer).unwrap();
        assert_eq!(path, "/org/bluez/hci0/dev_E7_12_0A_00_00_01");
        assert_eq!(device_address(&path), Some(peer.clone()));
        assert_eq!(device_address(&format!("{path}/service000e/char000f")), Some(peer));
        assert_eq!(device_address("/org/bluez/hci0"), None);
        assert_eq!(device_path("/org/bluez/hci0", &PeerAddress("left wrist".to_owned())), None);
    }

    #[test]
    fn an_adapter_is_chosen_by_the_address_of_its_controller() {
        let choice = AdapterChoice::Controller("00:aa:01:00:00:42".parse().unwrap());
        assert!(choice.takes("00:AA:01:00:00:42") && !choice.takes("00:AA:01:00:00:43"));
        assert!("hci0".parse::<ControllerAddress>().unwrap_err().to_string().contains("hci0"));
    }
}
