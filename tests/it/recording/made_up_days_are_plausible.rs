use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nowbridge::sim::recording::{Recording, Sample, generate};
use nowbridge::wire::bridge::Stream;

const DAY: Duration = Duration::from_hours(24);

fn values(recording: &Recording, stream: Stream) -> impl Iterator<Item = i32> + '_ {
    recording.samples_of(stream).iter().map(|sample| sample.value)
}

#[test]
fn a_seed_decides_everything() {
    let length = Duration::from_hours(2);
    assert_eq!(generate(7, length), generate(7, length));
    assert_ne!(generate(7, length).tracks, generate(8, length).tracks);
}

#[test]
fn a_day_has_every_stream_at_its_rate() {
    let day = generate(1, DAY);
    for (stream, count) in [
        (Stream::HEART_RATE, 86_400),
        (Stream::TEMPERATURE, 1_440),
        (Stream::ACTIVITY_COUNT, 1_440),
        (Stream::RESPIRATION, 1_440),
        (Stream::MOTION, 1_440),
        (Stream::RESTING_HEART_RATE, 24),
    ] {
        assert_eq!(day.samples_of(stream).len(), count, "{stream:?}");
    }
    assert_eq!(day.length_ms(), 86_400_000);
    for track in &day.tracks {
        assert!(track.samples.is_sorted_by_key(|sample| sample.at_ms), "{:?}", track.stream);
        assert!(!track.samples.is_empty(), "{:?}", track.stream);
    }
    assert_eq!(generate(1, Duration::from_secs(90)).samples_of(Stream::HEART_RATE).len(), 90);
    assert_eq!(generate(1, Duration::ZERO).samples().count(), 0);
}

#[test]
fn a_week_stays_within_what_a_body_does() {
    let week = generate(2, 7 * DAY);
    for (stream, range) in [
        (Stream::HEART_RATE, 48..=160),
        (Stream::BEATS, 0..=1_400),
        (Stream::TEMPERATURE, 3_000..=3_600),
        (Stream::RESPIRATION, 0..=140),
        (Stream::MOTION, 0..=100),
        (Stream::CADENCE, 0..=170),
        (Stream::RESTING_HEART_RATE, 48..=60),
    ] {
        let outside = values(&week, stream).find(|value| !range.contains(value));
        assert_eq!(outside, None, "{stream:?}");
    }
    let codes: BTreeSet<i32> = values(&week, Stream::ACTIVITY_TYPE).collect();
    assert_eq!(codes, BTreeSet::from([0, 1, 2, 4, 6, 7]));
    let codes: Vec<i32> = values(&week, Stream::ACTIVITY_TYPE).collect();
    assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "a sample only where the activity changes");

    let mut qualities = BTreeMap::<u8, usize>::new();
    for sample in week.samples_of(Stream::HEART_RATE) {
        *qualities.entry(sample.quality.get()).or_default() += 1;
    }
    assert_eq!(qualities.len(), 5);
    assert!(qualities[&4] > 7 * 86_400 * 8 / 10, "{qualities:?}");
}

#[test]
fn the_beats_agree_with_the_heart_rate() {
    let day = generate(3, DAY);
    let mean_rate = per_minute(day.samples_of(Stream::HEART_RATE));
    let mut compared = 0;
    for (minute, beats) in minutes(day.samples_of(Stream::BEATS)) {
        // A minute in which the watch was put on or off has fewer beats than the heart made.
        if beats.iter().any(|beat| beat.value == 0) {
            continue;
        }
        let mean_ms = f64::from(beats.iter().map(|beat| beat.value).sum::<i32>()) / beats.len() as f64;
        let rate = mean_rate[&minute];
        assert!((60_000.0 / mean_ms / rate - 1.0).abs() < 0.1, "minute {minute}: {mean_ms} ms, {rate} bpm");
        compared += 1;
    }
    assert!(compared > 1_200, "only {compared} minutes");
    // The time between beats is the interval, but where a run starts.
    for pair in day.samples_of(Stream::BEATS).windows(2) {
        let apart = pair[1].at_ms - pair[0].at_ms;
        assert!(pair[1].value == 0 || apart == u64::from(pair[1].value.unsigned_abs()));
    }
}

fn minutes(samples: &[Sample]) -> BTreeMap<u64, &[Sample]> {
    let by_minute = samples.chunk_by(|a, b| a.at_ms / 60_000 == b.at_ms / 60_000);
    by_minute.map(|samples| (samples[0].at_ms / 60_000, samples)).collect()
}

fn per_minute(samples: &[Sample]) -> BTreeMap<u64, f64> {
    let mean = |samples: &[Sample]| {
        f64::from(samples.iter().map(|sample| sample.value).sum::<i32>()) / samples.len() as f64
    };
    minutes(samples).into_iter().map(|(minute, samples)| (minute, mean(samples))).collect()
}
