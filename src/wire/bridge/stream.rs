//! What a watch records: numbered streams, each with its scale, unit and period.
//!
//! Source: reference page on GATT, section 4.1. A watch tells its own table on request, so that a stream this table does not
//! know can still be stored raw.

use serde::{Deserialize, Serialize};

use crate::measurement::{Kind, Value};

/// The number of a stream in blocks and on the wire. 128 and up are private to a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(pub u8);

/// What a known stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its number.
    pub stream: Stream,
    /// A short English name.
    pub name: &'static str,
    /// The real value is the stored number divided by this.
    pub scale: i32,
    /// The unit of the real value.
    pub unit: &'static str,
    /// Time between samples, ms; 0 where every sample carries its own time.
    pub period_ms: u32,
    /// The API kind it is uploaded as; `None` is stored and exported only.
    pub kind: Option<Kind>,
}

impl Stream {
    /// Clock anchors that the watch wrote down when its clock was set.
    pub const ANCHORS: Self = Self(0);
    /// Heart rate.
    pub const HEART_RATE: Self = Self(1);
    /// Heart beats as R-R intervals.
    pub const BEATS: Self = Self(2);
    /// Skin temperature.
    pub const TEMPERATURE: Self = Self(3);
    /// Activity counts.
    pub const ACTIVITY_COUNT: Self = Self(4);
    /// Activity type.
    pub const ACTIVITY_TYPE: Self = Self(5);
    /// Cadence.
    pub const CADENCE: Self = Self(6);
    /// Respiration rate.
    pub const RESPIRATION: Self = Self(7);
    /// Motion score.
    pub const MOTION: Self = Self(8);
    /// Skin conductance level.
    pub const EDA: Self = Self(9);
    /// Blood oxygen.
    pub const SPO2: Self = Self(10);
    /// Steps.
    pub const STEPS: Self = Self(11);
    /// Resting heart rate.
    pub const RESTING_HEART_RATE: Self = Self(12);
    /// Wear and charger events.
    pub const EVENTS: Self = Self(14);
    /// The device's own log.
    pub const DEVICE_LOG: Self = Self(15);

    /// The real value of a sample: stored units have no fractions.
    pub fn value(self, stored: i32) -> Value {
        match self.info().map_or(1, |info| info.scale) {
            1 => Value::Integer(stored.into()),
            scale => Value::Decimal(f64::from(stored) / f64::from(scale)),
        }
    }

    /// What this stream means, if it is one of the known.
    pub fn info(self) -> Option<&'static StreamInfo> {
        STREAMS.iter().find(|info| info.stream == self)
    }

    /// The API kind that this stream is uploaded as.
    pub fn kind(self) -> Option<Kind> {
        self.info().and_then(|info| info.kind)
    }

    /// The stream that feeds an API kind. `HEART_RATE_GRAPH` has none: it is derived from `HEART_RATE`.
    pub fn of_kind(kind: Kind) -> Option<Self> {
        STREAMS.iter().find(|info| info.kind == Some(kind)).map(|info| info.stream)
    }
}

const fn row(
    stream: Stream,
    name: &'static str,
    scale: i32,
    unit: &'static str,
    period_ms: u32,
    kind: Option<Kind>,
) -> StreamInfo {
    StreamInfo { stream, name, scale, unit, period_ms, kind }
}

/// Every stream that version 1 names.
pub const STREAMS: &[StreamInfo] = &[
    row(Stream::ANCHORS, "anchors", 1, "", 0, None),
    row(Stream::HEART_RATE, "heart rate", 1, "bpm", 1_000, Some(Kind::HeartRate)),
    row(Stream::BEATS, "beats", 1, "ms", 0, Some(Kind::HeartBeat)),
    row(Stream::TEMPERATURE, "skin temperature", 100, "°C", 60_000, Some(Kind::Temperature)),
    row(Stream::ACTIVITY_COUNT, "activity count", 1, "counts", 60_000, Some(Kind::ActivityCount)),
    row(Stream::ACTIVITY_TYPE, "activity type", 1, "code", 0, Some(Kind::ActivityType)),
    row(Stream::CADENCE, "cadence", 1, "1/min", 1_000, Some(Kind::ActivityCadence)),
    row(Stream::RESPIRATION, "respiration", 4, "1/min", 60_000, Some(Kind::RespirationRate)),
    row(Stream::MOTION, "motion", 1, "score", 60_000, Some(Kind::MotionGraph)),
    row(Stream::EDA, "skin conductance", 1, "nS", 5_000, None),
    row(Stream::SPO2, "blood oxygen", 1, "%", 60_000, None),
    row(Stream::STEPS, "steps", 1, "steps", 60_000, None),
    row(Stream::RESTING_HEART_RATE, "resting heart rate", 1, "bpm", 3_600_000, Some(Kind::RestingHeartRate)),
    row(Stream::EVENTS, "events", 1, "code", 0, None),
    row(Stream::DEVICE_LOG, "device log", 1, "", 0, None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_but_the_derived_graph_has_one_stream() {
        for kind in Kind::ALL {
            let streams = STREAMS.iter().filter(|info| info.kind == Some(kind)).count();
            assert_eq!(streams, usize::from(kind != Kind::HeartRateGraph), "{kind}");
        }
    }
}
