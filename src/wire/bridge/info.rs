//! What a watch tells of itself, and its clock.

use serde::{Deserialize, Serialize};

use super::{Boot, DeviceId, LogId, Seq};
use crate::measurement::UtcMicros;

/// The protocol's major version: another one is refused.
pub const MAJOR: u8 = 1;
/// The minor version: only ever adds.
pub const MINOR: u8 = 0;

/// A message that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Too short, or not what it should be.
    #[error("the {0} cannot be read")]
    Unreadable(&'static str),
    /// A protocol that we do not speak.
    #[error(
        "the watch speaks version {major}.{minor} of the bridge service, this program speaks {MAJOR}.{MINOR}; update one of them"
    )]
    Version {
        /// The watch's major.
        major: u8,
        /// The watch's minor.
        minor: u8,
    },
    /// The watch's log has a number that is not for watches.
    #[error("the watch calls its log {log_id}, which is kept for the host's own log", log_id = LogId::HOST)]
    ReservedLog,
}

/// What a watch can do or is; a bit set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// The data are made up or replayed, and must never be taken for a person's.
    pub const SYNTHETIC: Self = Self(1);

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Identity and log window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Protocol, major.
    pub major: u8,
    /// Protocol, minor.
    pub minor: u8,
    /// Who the watch is.
    pub device_id: DeviceId,
    /// Which life of its log this is.
    pub log_id: LogId,
    /// The present boot.
    pub boot: Boot,
    /// The oldest block still there.
    pub tail: Seq,
    /// The newest sealed block; tail − 1 if there is none.
    pub head: Seq,
    /// What the watch was told is safe.
    pub acked: Seq,
    /// The watch's clock, ms since boot.
    pub ticks_ms: u64,
    /// What it can do.
    pub caps: Capabilities,
    /// The most credit it takes at once, bytes.
    pub max_credit: u16,
}

/// Where a time came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum TimeSource {
    /// 0: nobody knows.
    Unknown,
    /// 1: a host whose clock is synchronised by network.
    Network,
    /// 2: a host's own clock, not known to be synchronised.
    Host,
    /// 3: set by hand.
    Manual,
    /// A source of a later version.
    Other(u8),
}

impl From<u8> for TimeSource {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Unknown,
            1 => Self::Network,
            2 => Self::Host,
            3 => Self::Manual,
            other => Self::Other(other),
        }
    }
}

impl From<TimeSource> for u8 {
    fn from(source: TimeSource) -> Self {
        match source {
            TimeSource::Unknown => 0,
            TimeSource::Network => 1,
            TimeSource::Host => 2,
            TimeSource::Manual => 3,
            TimeSource::Other(other) => other,
        }
    }
}

/// The watch's clock, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeReading {
    /// The present boot.
    pub boot: Boot,
    /// Its clock, µs since boot.
    pub ticks_us: u64,
    /// What it takes UTC to be, µs; 0 if its clock was not set.
    pub utc_us: u64,
    /// Where that came from.
    pub source: TimeSource,
    /// How far it may be off, ms.
    pub uncertainty_ms: u32,
}

/// The watch's clock, set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSetting {
    /// UTC at the moment of writing, µs.
    pub utc_us: u64,
    /// The round trip that the host measured, µs.
    pub rtt_us: u32,
    /// The zone, seconds east of UTC.
    pub zone_offset_s: i32,
    /// Where the time comes from.
    pub source: TimeSource,
}

/// The payload of a block of the anchor stream: what the watch writes down when its clock is set. The reference page names
/// the stream but not its payload; this is version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorRecord {
    /// The watch's clock, µs since boot.
    pub ticks_us: u64,
    /// UTC at that moment, µs.
    pub utc_us: u64,
    /// How far they may be apart, ms.
    pub uncertainty_ms: u32,
    /// The zone, seconds east of UTC.
    pub zone_offset_s: i32,
    /// Where the time came from.
    pub source: TimeSource,
}

impl AnchorRecord {
    /// UTC of the anchor.
    pub fn utc(&self) -> UtcMicros {
        UtcMicros(i64::try_from(self.utc_us).unwrap_or(i64::MAX))
    }
}

impl Info {
    /// Reads what the characteristic holds, and refuses another major version before anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        match *bytes {
            [major, minor, ..] if major != MAJOR => return Err(MessageError::Version { major, minor }),
            _ => {}
        }
        let info: Self = postcard::from_bytes(bytes).map_err(|_| MessageError::Unreadable("info"))?;
        if info.log_id == LogId::HOST { Err(MessageError::ReservedLog) } else { Ok(info) }
    }
}

macro_rules! message {
    ($($name:ident $text:literal),*) => {$(
        impl $name {
            /// Reads a message; bytes after it are a later version's and are ignored.
            pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
                postcard::from_bytes(bytes).map_err(|_| MessageError::Unreadable($text))
            }
        }
    )*};
}

message!(TimeReading "time", TimeSetting "time setting", AnchorRecord "anchor");

macro_rules! encode {
    ($($name:ident),*) => {$(
        impl $name {
            /// The message's bytes.
            pub fn encode(&self) -> Vec<u8> {
                postcard::to_stdvec(self).expect("integers always serialise")
            }
        }
    )*};
}

encode!(Info, TimeReading, TimeSetting, AnchorRecord);
