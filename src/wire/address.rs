//! Radio addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a watch is reached: a radio address as the adapter prints it (`E7:12:0A:…`). Not an identity: a watch is keyed by
/// the device id that it tells over GATT.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerAddress(pub String);

impl PeerAddress {
    /// An address as people write it: six bytes in hex with colons, in capitals or not. Labels on boxes often are not, adapters are.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_byte = |byte: &str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
        let bytes = text.split(':');
        (bytes.clone().count() == 6 && bytes.clone().all(is_byte)).then(|| Self(text.to_ascii_uppercase()))
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
