//! The built-in recording: a real indoor ride of 18 minutes. How it was made is told in `tests/data/ride/README.md`.

use std::path::Path;

use super::{Recording, export};
use crate::wire::bridge::Stream;

const FILES: [(&str, Stream, &str); 3] = [
    ("heart_rate.csv", Stream::HEART_RATE, include_str!("../../../tests/data/ride/heart_rate.csv")),
    ("activity_cadence.csv", Stream::CADENCE, include_str!("../../../tests/data/ride/activity_cadence.csv")),
    ("heartbeats.csv", Stream::BEATS, include_str!("../../../tests/data/ride/heartbeats.csv")),
];

/// Heart rate and cadence once a second and every heart beat of an indoor ride on 2022-02-07: 1,072 readings, 2,705
/// intervals, 128 to 185 beats per minute.
pub fn ride() -> Recording {
    let tables = FILES.map(|(name, stream, text)| {
        export::read_table(Path::new(name), stream, text.as_bytes()).expect("a test reads the embedded files")
    });
    export::assemble(
        "indoor ride of 2022-02-07, from the test data of fitparser 0.11.0 (MIT, Matthew Stadelman)"
            .to_owned(),
        tables.into(),
    )
    .expect("a test counts the embedded rows")
}
