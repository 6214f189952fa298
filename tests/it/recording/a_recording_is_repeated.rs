use std::time::Duration;

use nowbridge::sim::recording::{Recording, Track, ride};
use nowbridge::wire::bridge::Stream;

use super::sample;

fn recording(tracks: Vec<Track>) -> Recording {
    Recording { source: "a test".to_owned(), started: None, tracks }
}

#[test]
fn a_tiled_ride_keeps_its_order_and_starts_each_run_anew() {
    let ride = ride();
    let length_ms = ride.length_ms();
    let tiled = ride.tile(Duration::from_millis(3 * length_ms));
    for track in &ride.tracks {
        let chunks: Vec<_> = tiled.samples_of(track.stream).chunks(track.samples.len()).collect();
        assert_eq!(chunks.len(), 3);
        for (start_ms, chunk) in (0..).step_by(length_ms as usize).zip(chunks) {
            let back: Vec<_> = chunk.iter().map(|sample| (sample.at_ms - start_ms, sample.value)).collect();
            let original: Vec<_> = track.samples.iter().map(|sample| (sample.at_ms, sample.value)).collect();
            assert_eq!(back, original);
        }
    }
    assert!(tiled.samples().is_sorted_by_key(|(_, sample)| sample.at_ms));
    let count: usize = tiled.tracks.iter().map(|track| track.samples.len()).sum();
    assert_eq!(tiled.samples().count(), count);
}

#[test]
fn a_run_that_was_going_on_at_the_start_cannot_go_on_from_the_end() {
    let beats = Track::new(Stream::BEATS, vec![sample(300, 700), sample(1_000, 700)]);
    let tiled = recording(vec![beats]).tile(Duration::from_secs(4));
    let values: Vec<_> =
        tiled.samples_of(Stream::BEATS).iter().map(|beat| (beat.at_ms, beat.value)).collect();
    assert_eq!(values, [(300, 700), (1_000, 700), (2_300, 0), (3_000, 700)]);
}

#[test]
fn tiling_stops_in_the_middle_of_a_tile() {
    let rates = Track::new(
        Stream::HEART_RATE,
        (0_u32..10).map(|index| sample(u64::from(index) * 1_000, index as i32)).collect(),
    );
    let recording = recording(vec![rates]);
    let values = |seconds| -> Vec<i32> {
        let tiled = recording.tile(Duration::from_secs(seconds));
        tiled.samples_of(Stream::HEART_RATE).iter().map(|rate| rate.value).collect()
    };
    assert_eq!(values(12), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    assert_eq!(values(3), [0, 1, 2]);
    assert_eq!(values(0), [0; 0]);
}

#[test]
fn an_hourly_sample_does_not_leave_an_hour_of_silence() {
    let rates = Track::new(Stream::HEART_RATE, (0..5_400).map(|second| sample(second * 1_000, 60)).collect());
    let resting = Track::new(Stream::RESTING_HEART_RATE, vec![sample(0, 54), sample(3_600_000, 55)]);
    assert_eq!(recording(vec![resting, rates]).length_ms(), 5_400_000);
    assert_eq!(recording(vec![]).length_ms(), 0);
    assert_eq!(recording(vec![]).tile(Duration::from_secs(9)), recording(vec![]));
}

#[test]
fn merging_adds_the_streams_that_are_missing() {
    let rates = |value| Track::new(Stream::HEART_RATE, vec![sample(0, value), sample(1_000, value)]);
    let temperature = Track::new(Stream::TEMPERATURE, vec![sample(500, 3_300), sample(0, 3_200)]);
    let merged = recording(vec![rates(60)]).merge(recording(vec![temperature, rates(90)]));
    let order: Vec<_> =
        merged.samples().map(|(stream, sample)| (stream, sample.at_ms, sample.value)).collect();
    assert_eq!(
        order,
        [
            (Stream::HEART_RATE, 0, 60),
            (Stream::TEMPERATURE, 0, 3_200),
            (Stream::TEMPERATURE, 500, 3_300),
            (Stream::HEART_RATE, 1_000, 60),
        ]
    );
    assert_eq!(merged.source, "a test; a test");
}
