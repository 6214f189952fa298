//! The ten measurement types of the NOWATCH API.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A measurement type, spelled as the API spells it (`HEART_RATE`).
///
/// Source: the `type` enum of `GET`/`DELETE /v1/measurement`. The numeric value is ours: it is what the database stores
/// and must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum Kind {
    /// Single heart beats, a hex frame per second ([`super::HeartBeatFrame`]).
    HeartBeat = 1,
    /// Heart rate, beats per minute.
    HeartRate = 2,
    /// Heart rate per minute for drawing, beats per minute, without quality.
    HeartRateGraph = 3,
    /// Breaths per minute.
    RespirationRate = 4,
    /// Resting heart rate, beats per minute.
    RestingHeartRate = 5,
    /// Skin temperature, °C.
    Temperature = 6,
    /// Activity counts.
    ActivityCount = 7,
    /// Activity type code (rest, walk, run, cycle, …).
    ActivityType = 8,
    /// Steps (or crank turns) per minute.
    ActivityCadence = 9,
    /// Motion score 0–100, without quality.
    MotionGraph = 10,
}

/// What a kind's `value` column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// A heart-beat frame in lower-case hex.
    Frame,
}

/// A name that is none of the ten measurement types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a measurement type; the API knows {known}", known = names())]
pub struct UnknownKind(pub String);

impl Kind {
    /// Every kind, in the order of the API's enum.
    pub const ALL: [Self; 10] = [
        Self::HeartBeat,
        Self::HeartRate,
        Self::HeartRateGraph,
        Self::RespirationRate,
        Self::RestingHeartRate,
        Self::Temperature,
        Self::ActivityCount,
        Self::ActivityType,
        Self::ActivityCadence,
        Self::MotionGraph,
    ];

    /// The API's spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeartBeat => "HEART_BEAT",
            Self::HeartRate => "HEART_RATE",
            Self::HeartRateGraph => "HEART_RATE_GRAPH",
            Self::RespirationRate => "RESPIRATION_RATE",
            Self::RestingHeartRate => "RESTING_HEART_RATE",
            Self::Temperature => "TEMPERATURE",
            Self::ActivityCount => "ACTIVITY_COUNT",
            Self::ActivityType => "ACTIVITY_TYPE",
            Self::ActivityCadence => "ACTIVITY_CADENCE",
            Self::MotionGraph => "MOTION_GRAPH",
        }
    }

    /// What the value column holds.
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::HeartBeat => ValueType::Frame,
            Self::RespirationRate | Self::Temperature => ValueType::Decimal,
            _ => ValueType::Integer,
        }
    }

    /// Whether the upload has a `quality_indicator` column. The two graph kinds have none; for `MOTION_GRAPH` that is an
    /// assumption (the documentation page ends before it).
    pub const fn has_quality(self) -> bool {
        !matches!(self, Self::HeartRateGraph | Self::MotionGraph)
    }

    /// The header row of the upload's CSV. That there is one, and the columns of the three activity kinds, are
    /// assumptions: the documentation names columns but shows neither.
    pub const fn columns(self) -> &'static [&'static str] {
        if self.has_quality() { &["datetime", "value", "quality_indicator"] } else { &["datetime", "value"] }
    }

    /// The stable number of this kind in the database.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this database number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

fn names() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_codes_and_serde_agree() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        assert_eq!(Kind::from_code(0), None);
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let error = "heart_rate".parse::<Kind>().unwrap_err().to_string();
        assert!(error.contains("\"heart_rate\"") && error.contains("HEART_RATE_GRAPH"), "{error}");
    }
}
