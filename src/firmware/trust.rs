//! How far a file can be trusted, and what is remembered of that.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measurement::UtcMicros;

/// What stands behind a file, each more than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustLevel {
    /// At most the connection that it came over.
    #[default]
    None,
    /// A checksum from elsewhere: against damage, not against a bad server.
    Checksum,
    /// The image's own hash, and the version that was announced.
    Image,
    /// A signature with a pinned key: of the file, or the image's own.
    Signature,
    /// A signed manifest that is meant for this watch, is the newest, and has not expired.
    Manifest,
}

impl TrustLevel {
    /// 0 to 4.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The other way round.
    pub const fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::None,
            1 => Self::Checksum,
            2 => Self::Image,
            3 => Self::Signature,
            4 => Self::Manifest,
            _ => return None,
        })
    }
}

impl fmt::Display for TrustLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::None => "nothing but the way it came",
            Self::Checksum => "checksum",
            Self::Image => "checksum and version",
            Self::Signature => "signature",
            Self::Manifest => "signed manifest",
        };
        write!(f, "{} ({words})", self.number())
    }
}

/// What is remembered of a watch's firmware. All of it only ever goes up.
///
/// It is plain data: whoever keeps it passes it to [`check`](super::check()), and keeps what the report holds instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The most that ever stood behind a file for it; less is not taken any more.
    pub level: TrustLevel,
    /// The highest sequence of a manifest for it.
    pub sequence: Option<u64>,
    /// The highest security counter that was confirmed on it.
    pub security_counter: Option<u32>,
    /// The latest time that was certain: now is no earlier, whatever a clock says.
    pub trusted_time: Option<UtcMicros>,
}

impl Memory {
    /// After an image was confirmed on the watch. Before that, its counter binds nobody: the watch may go back.
    #[must_use]
    pub fn confirmed(self, security_counter: Option<u32>) -> Self {
        Self { security_counter: self.security_counter.max(security_counter), ..self }
    }

    /// The higher of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            level: self.level.max(other.level),
            sequence: self.sequence.max(other.sequence),
            security_counter: self.security_counter.max(other.security_counter),
            trusted_time: self.trusted_time.max(other.trusted_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_numbered() {
        for number in 0..5 {
            let level = TrustLevel::of_number(number).unwrap();
            assert_eq!(level.number(), number);
            assert!(TrustLevel::of_number(number + 1).is_none_or(|next| next > level));
        }
        assert_eq!(TrustLevel::of_number(5), None);
    }

    #[test]
    fn memory_only_goes_up() {
        let memory = Memory { security_counter: Some(7), ..Memory::default() };
        assert_eq!(memory.confirmed(Some(6)), memory);
        assert_eq!(memory.confirmed(None), memory);
        assert_eq!(memory.confirmed(Some(8)).security_counter, Some(8));
    }
}
