use std::path::Path;

use nowbridge::measurement::{Quality, UtcMicros};
use nowbridge::sim::recording::{Recording, RecordingError, Sample, Track, read_export, write_export};
use nowbridge::wire::bridge::Stream;
use proptest::prelude::*;

use super::sample;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn read(files: &[(&str, &str)]) -> Result<Recording, RecordingError> {
    read_export(folder(files).path())
}

fn qualified(samples: impl IntoIterator<Item = (u64, i32, u8)>) -> Vec<Sample> {
    let samples = samples.into_iter();
    samples
        .map(|(at_ms, value, quality)| Sample { at_ms, value, quality: quality.try_into().unwrap() })
        .collect()
}

/// Samples at rising whole seconds, the first at 0.
fn seconds(values: std::ops::Range<i32>) -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec((1_u64..5_000, values, 0_u8..=4), 1..40).prop_map(|samples| {
        let mut next = 0;
        qualified(samples.into_iter().map(|(step, value, quality)| {
            let at_ms = next * 1_000;
            next += step;
            (at_ms, value, quality)
        }))
    })
}

/// Beats at any millisecond whose intervals are the time between them, in runs with gaps.
fn beats() -> impl Strategy<Value = Vec<Sample>> {
    let step = (250_i32..2_500, prop::bool::weighted(0.1), 0_u8..=4);
    (0_u64..5_000, prop::collection::vec(step, 1..80)).prop_map(|(first_ms, steps)| {
        let mut at_ms = first_ms;
        qualified(steps.into_iter().enumerate().map(|(index, (interval_ms, gap, quality))| {
            let first = index == 0;
            at_ms += if first { 0 } else { u64::from(interval_ms.unsigned_abs()) };
            (at_ms, if first || gap { 0 } else { interval_ms }, quality)
        }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_written_is_read_back(
        start in 0_i64..4_000_000_000,
        rates in seconds(30..220),
        temperature in seconds(-500..6_000),
        respiration in seconds(0..200),
        types in seconds(0..8),
        beats in beats(),
    ) {
        let recording = Recording {
            source: "made up".to_owned(),
            started: Some(UtcMicros(start * 1_000_000)),
            tracks: vec![
                Track::new(Stream::HEART_RATE, rates),
                Track::new(Stream::BEATS, beats),
                Track::new(Stream::TEMPERATURE, temperature),
                Track::new(Stream::ACTIVITY_TYPE, types),
                Track::new(Stream::RESPIRATION, respiration),
            ],
        };
        let dir = tempfile::tempdir().unwrap();
        prop_assert_eq!(write_export(&recording, dir.path()).unwrap(), []);
        let back = read_export(dir.path()).unwrap();
        prop_assert_eq!(back.started, recording.started);
        prop_assert_eq!(back.tracks, recording.tracks);
    }
}

#[test]
fn the_columns_are_found_by_name() {
    let recording = read(&[
        ("activity_count.csv", "timestamp,value,body_position,quality_indicator\n1672531200,412,2,4\n"),
        ("heart_rate.csv", "datetime,value,quality\n1672531210,72,3\n1672531205,71,0\n"),
        ("temperature.csv", "timestamp,value\n1672531260,33.41\n"),
        ("respiration_rate.csv", "timestamp,value,quality_indicator\n1672531201,12.25,4\n"),
        ("stress_level.csv", "not ours\n"),
    ])
    .unwrap();
    assert_eq!(recording.started, Some(UtcMicros(1_672_531_200_000_000)));
    assert_eq!(recording.samples_of(Stream::ACTIVITY_COUNT), [sample(0, 412)]);
    let rates = qualified([(5_000, 71, 0), (10_000, 72, 3)]);
    assert_eq!(recording.samples_of(Stream::HEART_RATE), rates);
    assert_eq!(recording.samples_of(Stream::TEMPERATURE), [sample(60_000, 3_341)]);
    assert_eq!(recording.samples_of(Stream::RESPIRATION), [sample(1_000, 49)]);
    assert_eq!(recording.tracks.len(), 4);
}

#[test]
fn frames_become_intervals() {
    let frames = "timestamp,value,quality_indicator\n\
        1672531201,020204e803000000000004a40600000000ff,4\n\
        1672531203,010204b80b0000000000,4\n";
    let recording = read(&[("heartbeats.csv", frames)]).unwrap();
    // Beats at 1,000 and 1,700 ms of the session end a run; one at 3,000 ms starts the next.
    let beats: Vec<_> =
        recording.samples_of(Stream::BEATS).iter().map(|beat| (beat.at_ms, beat.value)).collect();
    assert_eq!(beats, [(0, 0), (700, 700), (2_000, 0)]);
}

#[test]
fn a_bad_row_is_named_by_file_line_and_field() {
    let header = "timestamp,value,quality_indicator\n";
    let fault = |name: &str, rows: &str| read(&[(name, &format!("{header}{rows}"))]).unwrap_err().to_string();
    for (name, rows, expected) in [
        ("heart_rate.csv", "1,72,4\n2,7x,4\n", "heart_rate.csv, line 3, value: \"7x\" is not a whole number"),
        ("heart_rate.csv", "1672531200000,72,4\n", "line 2, timestamp: \"1672531200000\" is not a Unix time"),
        ("heart_rate.csv", "1,3000000000,4\n", "line 2, value: \"3000000000\" is out of range"),
        ("temperature.csv", "1,1e300,4\n", "line 2, value: \"1e300\" is out of range"),
        ("activity_type.csv", "1,7,5\n", "line 2, quality_indicator: \"5\" is not a quality from 0 to 4"),
        ("heartbeats.csv", "1,800,4\n", "line 2, value: \"800\" is not a heart-beat frame"),
        ("heart_rate.csv", "1,72\n", "heart_rate.csv is not a table"),
    ] {
        let error = fault(name, rows);
        assert!(error.contains(expected), "{error}");
    }
    let header = read(&[("heart_rate.csv", "time;value\n1;2\n")]).unwrap_err().to_string();
    assert!(header.contains("heart_rate.csv: the header is \"time;value\""), "{header}");
}

#[test]
fn a_folder_with_nothing_in_it_is_an_error() {
    for files in [&[][..], &[("heart_rate.csv", "timestamp,value\n")][..]] {
        let error = read(files).unwrap_err();
        assert!(matches!(error, RecordingError::EmptyExport { .. }));
        assert!(
            error.to_string().contains("holds no measurements")
                && error.to_string().contains("heartbeats.csv")
        );
    }
    let missing = read_export(Path::new("no/such/folder")).unwrap_err().to_string();
    assert!(missing.starts_with("no/such/folder cannot be read"), "{missing}");
}

#[test]
fn what_the_format_has_no_file_for_is_told() {
    let recording = Recording {
        source: "made up".to_owned(),
        started: None,
        tracks: vec![
            Track::new(Stream::MOTION, vec![sample(0, 50)]),
            Track::new(Stream::RESTING_HEART_RATE, vec![sample(0, 54)]),
        ],
    };
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("new/folder");
    assert_eq!(write_export(&recording, &inner).unwrap(), [Stream::MOTION]);
    let back = read_export(&inner).unwrap();
    assert_eq!(back.samples_of(Stream::RESTING_HEART_RATE), [sample(0, 54)]);
    assert_eq!(back.samples_of(Stream::RESTING_HEART_RATE)[0].quality, Quality::BEST);
}
