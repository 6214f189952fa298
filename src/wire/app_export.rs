//! The export folder of the NOWATCH app: a CSV file a kind. Its form follows exports that were seen; the vendor documents none.

use super::bridge::Stream;

/// The columns, as newer exports call them.
pub const HEADING: [&str; 3] = ["timestamp", "value", "quality_indicator"];

/// The files of streams that the API knows.
pub const FILES: [(&str, Stream); 8] = [
    ("heart_rate.csv", Stream::HEART_RATE),
    ("heartbeats.csv", Stream::BEATS),
    ("temperature.csv", Stream::TEMPERATURE),
    ("activity_count.csv", Stream::ACTIVITY_COUNT),
    ("activity_type.csv", Stream::ACTIVITY_TYPE),
    ("activity_cadence.csv", Stream::CADENCE),
    ("respiration_rate.csv", Stream::RESPIRATION),
    ("resting_heart_rate.csv", Stream::RESTING_HEART_RATE),
];

/// One more, which the app writes in microsiemens.
pub const SKIN_CONDUCTANCE: (&str, Stream) = ("skin_conductance.csv", Stream::EDA);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_holds_a_stream_that_the_api_knows() {
        for (name, stream) in FILES {
            assert!(stream.kind().is_some(), "{name}");
        }
    }
}
