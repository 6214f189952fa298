//! The numbers that name a watch, its log, and a place in it. Newtypes, because every one of them is "just an integer" and
//! none may stand where another belongs.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Who a watch is: 16 bytes that it tells over GATT and keeps for life. For a device that tells no such thing, 16 bytes of a hash over
/// what it does tell, or over its address.
///
/// For machines it is its 16 bytes, for people (in JSON) its hex digits; JSON of an older daemon has a list of 16 numbers, which is read, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(pub [u8; 16]);

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

impl DeviceId {
    /// The id of a device that tells its serial number: the first 16 bytes of SHA-256 over the tag `serial` and the three texts.
    pub fn of_serial(maker: &str, model: &str, serial: &str) -> Self {
        Self::hashed("serial", &[maker, model, serial])
    }

    /// The id of a device that tells a System ID: the same over the tag `system-id` and its hex digits.
    pub fn of_system_id(system_id: [u8; 8]) -> Self {
        Self::hashed("system-id", &[&hex::encode(system_id)])
    }

    /// The id of a device that tells nothing of itself: the same over the tag `address` and the address in capitals. Good as long as
    /// the device keeps its address.
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
        let [first, _] = *hash.finalize().as_chunks::<16>().0 else {
            unreachable!("SHA-256 has 32 bytes");
        };
        Self(first)
    }
}

impl LogId {
    /// The log that the host keeps for a device that keeps none. No watch may use this number for a log of its own.
    pub const HOST: Self = Self(u32::MAX);
}

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

impl Serialize for DeviceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(DigitsOrBytes)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(Self)
        }
    }
}

struct DigitsOrBytes;

impl<'de> Visitor<'de> for DigitsOrBytes {
    type Value = DeviceId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device id: 32 hex digits")
    }

    fn visit_str<E: de::Error>(self, digits: &str) -> Result<DeviceId, E> {
        digits.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, bytes: A) -> Result<DeviceId, A::Error> {
        <[u8; 16]>::deserialize(SeqAccessDeserializer::new(bytes)).map(DeviceId)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_devices_apart_is_hashed_with_its_borders() {
        let strap = DeviceId::of_serial("Maker", "Strap", "12");
        assert_eq!(strap, DeviceId::of_serial("Maker", "Strap", "12"));
        assert_ne!(strap, DeviceId::of_serial("Maker", "Strap1", "2"));
        assert_ne!(DeviceId::of_address("12"), DeviceId::of_serial("", "", "12"));
        assert_eq!(DeviceId::of_address("e7:00:00:00:00:0a"), DeviceId::of_address("E7:00:00:00:00:0A"));
    }

    #[test]
    fn an_id_is_digits_for_people_and_bytes_for_machines() {
        let id = DeviceId(*b"0123456789abcdef");
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, r#""30313233343536373839616263646566""#);
        let older = serde_json::to_string(&id.0).unwrap();
        for json in [json, older] {
            assert_eq!(serde_json::from_str::<DeviceId>(&json).unwrap(), id);
        }
        assert!(serde_json::from_str::<DeviceId>(r#""30""#).is_err());
        assert_eq!(postcard::to_stdvec(&id).unwrap(), id.0);
        assert_eq!(postcard::from_bytes::<DeviceId>(&id.0).unwrap(), id);
    }

    #[test]
    fn an_id_stays_the_same_for_good() {
        let ids = [
            DeviceId::of_serial("Maker", "Strap", "12"),
            DeviceId::of_system_id([0x12, 0x34, 0x56, 0xFE, 0xFF, 0x9A, 0xBC, 0xDE]),
            DeviceId::of_address("E7:00:00:00:00:0A"),
        ];
        let expected = [
            "b7c0c0fa816caf509274bd7b9ce97cfd",
            "94f78bd3379b02d5cdb06cade8782c06",
            "bf3e65a6dc78d0093bdaa57058447786",
        ];
        assert_eq!(ids.map(|id| id.to_string()), expected);
    }
}
