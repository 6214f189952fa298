//! The heart: a rate every second, a beat whenever one is due.

use std::f64::consts::TAU;

use fastrand::Rng;

use super::day::{Activity, Minute};
use crate::measurement::Quality;
use crate::sim::recording::Sample;

const SLOWEST_BPM: f64 = 48.0;
const FASTEST_BPM: f64 = 160.0;
/// How much of the way to its target the rate goes in a second; the heart takes about a minute to settle.
const FOLLOWS: f64 = 0.02;
/// How much the rate wanders in a second.
const WANDERS_BPM: f64 = 1.6;

/// What the heart did.
pub(super) struct Heart {
    /// Heart rate, once a second.
    pub rates: Vec<Sample>,
    /// Heart beats.
    pub beats: Vec<Sample>,
}

/// How well the sensor sits, every second: long stretches of 4, short ones of less, 0 when the watch is not worn.
pub(super) fn contact(rng: &mut Rng, minutes: &[Minute], seconds: usize) -> Vec<Quality> {
    let mut contact = Vec::with_capacity(seconds);
    while contact.len() < seconds {
        let good = rng.usize(60..3_600);
        contact.extend(std::iter::repeat_n(Quality::BEST, good));
        let poor = Quality::try_from(rng.u8(0..4)).unwrap_or(Quality::UNRELIABLE);
        contact.extend(std::iter::repeat_n(poor, rng.usize(5..120)));
    }
    contact.truncate(seconds);
    for (minute, seconds) in minutes.iter().zip(contact.chunks_mut(60)) {
        if minute.activity == Activity::Unspecified {
            seconds.fill(Quality::UNRELIABLE);
        }
    }
    contact
}

/// Follows the plan. A watch that is not worn hears no beats, so those after it start a new run.
pub(super) fn follow(rng: &mut Rng, minutes: &[Minute], contact: &[Quality]) -> Heart {
    let mut rates = Vec::with_capacity(contact.len());
    let mut pulse =
        Pulse { beats: Vec::with_capacity(contact.len()), due_ms: 0, interval_ms: 0, breath: 0.0 };
    let mut rate: Option<f64> = None;
    for (minute, qualities) in minutes.iter().zip(contact.chunks(60)) {
        let target = target_bpm(minute);
        for &quality in qualities {
            let now = rate.unwrap_or(target);
            let next = now + (target - now) * FOLLOWS + (rng.f64() - 0.5) * WANDERS_BPM;
            let bpm = next.clamp(SLOWEST_BPM, FASTEST_BPM);
            rate = Some(bpm);
            let at_ms = rates.len() as u64 * 1_000;
            rates.push(Sample { at_ms, value: bpm.round() as i32, quality });
            pulse.beat_until(at_ms + 1_000, bpm, minute, quality, rng);
        }
    }
    Heart { rates, beats: pulse.beats }
}

fn target_bpm(minute: &Minute) -> f64 {
    let asleep = if minute.is_night() { -3.0 } else { 0.0 };
    66.0 + 8.0 * minute.afternoon() + asleep + minute.activity.effort_bpm()
}

/// Beats, one after the other.
struct Pulse {
    beats: Vec<Sample>,
    /// When the next beat is due.
    due_ms: u64,
    /// How long it will have taken; 0 if the beat before was not heard.
    interval_ms: i32,
    /// Where in a breath we are, in radians.
    breath: f64,
}

impl Pulse {
    /// The heart beats slower breathing out than breathing in, and the more so at rest.
    fn beat_until(&mut self, end_ms: u64, bpm: f64, minute: &Minute, quality: Quality, rng: &mut Rng) {
        let worn = minute.activity != Activity::Unspecified;
        let depth = if minute.activity == Activity::Rest { 0.05 } else { 0.02 };
        while self.due_ms < end_ms {
            if worn {
                self.beats.push(Sample { at_ms: self.due_ms, value: self.interval_ms, quality });
            }
            let sway = 1.0 + depth * self.breath.sin() + (rng.f64() - 0.5) * 0.02;
            let interval_ms = (60_000.0 / bpm * sway).round();
            self.due_ms += interval_ms as u64;
            self.interval_ms = if worn { interval_ms as i32 } else { 0 };
            self.breath += interval_ms / 60_000.0 * f64::from(minute.breaths_x4) / 4.0 * TAU;
        }
    }
}
