//! The numbers that name a watch, its log, and a place in it. Newtypes, because every one of them is "just an integer" and
//! none may stand where another belongs.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Who a watch is: 16 bytes that it tells over GATT and keeps for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub [u8; 16]);

impl DeviceId {
    /// The id of a device that tells nothing of itself: the first 16 bytes of SHA-256 over the tag `address` and the address in
    /// capitals. Good as long as the device keeps its address.
    pub fn of_address(address: &str) -> Self {
        Self::hashed("address", &[&address.to_ascii_uppercase()])
    }

    /// Each text goes in with its length in front, so that no two lists of texts are one.
    fn hashed(tag: &str, texts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for text in [&["nowbridge device", tag], texts].concat() {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let [first, _] = *hash.finalize().as_chunks::<16>().0 else { unreachable!("SHA-256 has 32 bytes") };
        Self(first)
    }
}

/// One life of a watch's log: a factory reset starts a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogId(pub u32);

/// The number of a sealed block: 1, 2, 3, … within a log, never reused. 0 is "before the first" (and what live blocks carry).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u32);

/// How often a watch has booted. Its clock starts at zero with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boot(pub u16);

impl Seq {
    /// The next number. At `u32::MAX` (136 years of a block a second) it stays there.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number before; 0 stays 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl std::str::FromStr for DeviceId {
    type Err = InvalidDeviceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).map_err(|_| InvalidDeviceId(text.to_owned()))?;
        Ok(Self(id))
    }
}

/// A text that is not a device id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a device id: 32 hex digits")]
pub struct InvalidDeviceId(pub String);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
