//! Which Bluetooth adapter is meant.

use std::fmt;
use std::str::FromStr;

use crate::wire::PeerAddress;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_chosen_by_the_address_of_its_controller() {
        let choice = AdapterChoice::Controller("00:aa:01:00:00:42".parse().unwrap());
        assert!(choice.takes("00:AA:01:00:00:42") && !choice.takes("00:AA:01:00:00:43"));
        assert!("hci0".parse::<ControllerAddress>().unwrap_err().to_string().contains("hci0"));
    }
}
