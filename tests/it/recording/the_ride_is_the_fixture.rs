use std::path::Path;

use nowbridge::measurement::UtcMicros;
use nowbridge::sim::recording::{Recording, read_fit, ride, write_export};
use nowbridge::wire::bridge::Stream;

use super::fixture;

/// Set to anything, writes the embedded files anew instead of comparing them.
const REGENERATE: &str = "NOWBRIDGE_REGENERATE_RIDE";

fn intervals(recording: &Recording) -> Vec<i32> {
    let beats = recording.samples_of(Stream::BEATS).iter();
    beats.map(|beat| beat.value).filter(|&interval_ms| interval_ms > 0).collect()
}

#[test]
fn the_embedded_ride_is_the_one_that_was_recorded() {
    let Some(path) = fixture::fit("hrv-activity.fit") else { return };
    let recorded = read_fit(&path).unwrap();
    if std::env::var_os(REGENERATE).is_some() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ride");
        assert_eq!(write_export(&recorded, &dir).unwrap(), []);
        return;
    }
    let embedded = ride();
    assert_eq!(embedded.started, recorded.started);
    for stream in [Stream::HEART_RATE, Stream::CADENCE, Stream::BEATS] {
        assert_eq!(embedded.samples_of(stream), recorded.samples_of(stream), "{stream:?}");
    }
    assert_eq!(embedded.tracks.len(), recorded.tracks.len());
}

#[test]
fn the_ride_holds_every_reading_and_every_interval() {
    let ride = ride();
    assert_eq!(ride.started, Some(UtcMicros(1_644_252_472_000_000)));
    assert_eq!(ride.length_ms(), 1_075_000);
    let rates = ride.samples_of(Stream::HEART_RATE);
    assert_eq!(rates.len(), 1_072);
    assert_eq!(rates.iter().map(|rate| rate.value).min(), Some(128));
    assert_eq!(rates.iter().map(|rate| rate.value).max(), Some(185));
    assert_eq!(ride.samples_of(Stream::CADENCE).len(), 1_072);

    let intervals = intervals(&ride);
    assert_eq!(intervals.len(), 2_705);
    assert_eq!(intervals.iter().sum::<i32>(), 1_074_010);
    // The one beat more is the first, before which nothing is known.
    let beats = ride.samples_of(Stream::BEATS);
    assert_eq!((beats.len(), beats[0].at_ms, beats[0].value), (2_706, 0, 0));
    for pair in beats.windows(2) {
        assert_eq!(pair[1].at_ms - pair[0].at_ms, u64::try_from(pair[1].value).unwrap());
    }
}
