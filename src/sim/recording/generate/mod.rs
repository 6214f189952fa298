//! Made-up days: plausible, repeatable, nobody's.
//!
//! A day is planned as a sequence of activities; the heart follows the activity and the hour, the beats follow the heart and
//! the breath, and the slow streams follow all of them. The recording begins at eight in the morning, so that a short one
//! shows somebody who is awake.

mod day;
mod heart;

use std::time::Duration;

use fastrand::Rng;

use self::day::{Activity, Minute};
use super::{Recording, Sample, Track};
use crate::measurement::Quality;
use crate::wire::bridge::Stream;

const MS_PER_MINUTE: u64 = 60_000;
const MINUTES_PER_HOUR: usize = 60;

/// A recording of `length` (in whole seconds) that is the same for the same seed.
pub fn generate(seed: u64, length: Duration) -> Recording {
    let mut rng = Rng::with_seed(seed);
    let seconds = usize::try_from(length.as_secs()).unwrap_or(usize::MAX);
    let minutes = day::plan(&mut rng, seconds.div_ceil(60));
    let contact = heart::contact(&mut rng, &minutes, seconds);
    let heart = heart::follow(&mut rng, &minutes, &contact);
    let per_minute = |stream, samples: Vec<(i32, Quality)>| {
        let samples = (0_u64..).zip(samples).map(|(index, (value, quality))| Sample {
            at_ms: index * MS_PER_MINUTE,
            value,
            quality,
        });
        Track::new(stream, samples.collect())
    };
    // What the skin sensors say of a minute is worth what its first second is.
    let skin: Vec<Quality> = contact.iter().copied().step_by(60).collect();
    let tracks = vec![
        Track::new(Stream::HEART_RATE, heart.rates),
        Track::new(Stream::BEATS, heart.beats),
        per_minute(Stream::TEMPERATURE, temperature(&mut rng, &minutes, &skin)),
        per_minute(Stream::ACTIVITY_COUNT, counts(&mut rng, &minutes)),
        Track::new(Stream::ACTIVITY_TYPE, changes(&minutes)),
        Track::new(Stream::CADENCE, cadence(&mut rng, &minutes, seconds)),
        per_minute(Stream::RESPIRATION, respiration(&minutes, &skin)),
        per_minute(Stream::MOTION, motion(&mut rng, &minutes)),
        Track::new(Stream::RESTING_HEART_RATE, resting(&mut rng, minutes.len())),
    ];
    Recording { source: format!("generated, seed {seed}"), started: None, tracks }
}

/// Skin temperature, °C × 100: warmest at night, coolest in the afternoon and while sweating.
fn temperature(rng: &mut Rng, minutes: &[Minute], skin: &[Quality]) -> Vec<(i32, Quality)> {
    let mut drift = 0.0_f64;
    let values = minutes.iter().zip(skin).map(|(minute, &quality)| {
        drift = drift * 0.98 + (rng.f64() - 0.5) * 0.2;
        let sweat = if matches!(minute.activity, Activity::Run | Activity::Cycle) { 0.8 } else { 0.0 };
        let celsius = if minute.activity == Activity::Unspecified {
            30.0
        } else {
            33.2 - 1.3 * minute.afternoon() - sweat + drift
        };
        ((celsius.clamp(30.0, 36.0) * 100.0).round() as i32, quality)
    });
    values.collect()
}

/// Activity counts of a minute.
fn counts(rng: &mut Rng, minutes: &[Minute]) -> Vec<(i32, Quality)> {
    let values = minutes.iter().map(|minute| {
        let range = match minute.activity {
            Activity::Unspecified => 0..50,
            Activity::Rest if minute.is_night() => 50..250,
            Activity::Rest => 150..700,
            Activity::Other => 250..1_500,
            Activity::Cycle => 800..3_000,
            Activity::Walk => 1_500..4_000,
            Activity::Run => 5_000..12_000,
        };
        (rng.i32(range), Quality::BEST)
    });
    values.collect()
}

/// A sample whenever the activity changes.
fn changes(minutes: &[Minute]) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut previous = None;
    for (index, minute) in (0_u64..).zip(minutes) {
        if previous.replace(minute.activity) != Some(minute.activity) {
            samples.push(Sample {
                at_ms: index * MS_PER_MINUTE,
                value: minute.activity as i32,
                quality: Quality::BEST,
            });
        }
    }
    samples
}

/// Steps or crank turns a minute, every second of a walk, run or ride; a 0 ends it.
fn cadence(rng: &mut Rng, minutes: &[Minute], seconds: usize) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut moving = false;
    for second in 0..seconds {
        let pace = minutes[second / 60].activity.cadence();
        if pace.is_some() || moving {
            let value = pace.map_or(0, |pace| pace + rng.i32(-4..=4));
            samples.push(Sample { at_ms: second as u64 * 1_000, value, quality: Quality::BEST });
        }
        moving = pace.is_some();
    }
    samples
}

/// Breaths a minute × 4; 0 where the sensor has lost the skin.
fn respiration(minutes: &[Minute], skin: &[Quality]) -> Vec<(i32, Quality)> {
    let values = minutes.iter().zip(skin).map(|(minute, &quality)| match quality {
        Quality::UNRELIABLE => (0, quality),
        _ => (minute.breaths_x4, quality),
    });
    values.collect()
}

/// Motion score, 0–100.
fn motion(rng: &mut Rng, minutes: &[Minute]) -> Vec<(i32, Quality)> {
    let values = minutes.iter().map(|minute| {
        let range = match minute.activity {
            Activity::Unspecified => 0..=0,
            Activity::Rest => 0..=12,
            Activity::Other => 5..=45,
            Activity::Cycle => 30..=70,
            Activity::Walk => 40..=80,
            Activity::Run => 75..=100,
        };
        (rng.i32(range), Quality::BEST)
    });
    values.collect()
}

/// Resting heart rate, once an hour.
fn resting(rng: &mut Rng, minutes: usize) -> Vec<Sample> {
    let hours = (0..minutes).step_by(MINUTES_PER_HOUR);
    let samples = hours.map(|minute| Sample {
        at_ms: minute as u64 * MS_PER_MINUTE,
        value: 54 + rng.i32(-1..=1),
        quality: Quality::BEST,
    });
    samples.collect()
}
