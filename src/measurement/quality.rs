//! How far a reading can be trusted: 0 (unreliable) to 4 (best).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The API's `quality_indicator`: 0 is unreliable, 1–4 are valid, 4 is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Quality(u8);

/// A quality outside 0–4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("quality {0} is outside 0 to 4")]
pub struct InvalidQuality(pub i64);

impl Quality {
    /// 0: the reading should be discarded by whoever analyses it.
    pub const UNRELIABLE: Self = Self(0);
    /// 1: the sensor itself has doubts.
    pub const DOUBTFUL: Self = Self(1);
    /// 2: the sensor does not say.
    pub const UNTOLD: Self = Self(2);
    /// 3: the sensor says it is right.
    pub const GOOD: Self = Self(3);
    /// 4: the best there is; what is meant where a block carries no quality.
    pub const BEST: Self = Self(4);

    /// The number, 0–4.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Quality {
    type Error = InvalidQuality;

    fn try_from(value: u8) -> Result<Self, Self::Error> {
        if value <= 4 { Ok(Self(value)) } else { Err(InvalidQuality(value.into())) }
    }
}

impl TryFrom<i64> for Quality {
    type Error = InvalidQuality;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        u8::try_from(value).map_err(|_| InvalidQuality(value))?.try_into()
    }
}

impl From<Quality> for u8 {
    fn from(quality: Quality) -> Self {
        quality.0
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
