//! What somebody does all day, minute by minute.

use std::f64::consts::TAU;

use fastrand::Rng;

const MINUTES_PER_DAY: usize = 24 * 60;
const STARTS_AT: usize = 8 * 60;
/// When the body is warmest and the heart fastest, minutes since midnight.
const PEAK: f64 = 16.0 * 60.0;
const DAYTIME: std::ops::Range<usize> = 7 * 60..23 * 60;

/// An activity; its number is the code that the API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// Not worn: on the charger, or in the shower.
    Unspecified = 0,
    /// Up and about.
    Other = 1,
    /// Walking.
    Walk = 2,
    /// Running.
    Run = 4,
    /// Riding a bicycle.
    Cycle = 6,
    /// Sitting or lying.
    Rest = 7,
}

impl Activity {
    /// What it adds to the heart rate.
    pub fn effort_bpm(self) -> f64 {
        match self {
            Self::Unspecified | Self::Rest => 0.0,
            Self::Other => 8.0,
            Self::Walk => 30.0,
            Self::Cycle => 55.0,
            Self::Run => 78.0,
        }
    }

    /// Steps or crank turns a minute.
    pub fn cadence(self) -> Option<i32> {
        match self {
            Self::Walk => Some(108),
            Self::Run => Some(164),
            Self::Cycle => Some(78),
            _ => None,
        }
    }

    fn breaths(self) -> f64 {
        match self {
            Self::Unspecified | Self::Rest => 13.0,
            Self::Other => 15.5,
            Self::Walk => 20.0,
            Self::Cycle => 26.0,
            Self::Run => 32.0,
        }
    }
}

/// One minute of the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minute {
    /// Minutes since midnight.
    pub of_day: usize,
    /// What is done in it.
    pub activity: Activity,
    /// Breaths a minute × 4.
    pub breaths_x4: i32,
}

impl Minute {
    /// Whether people sleep.
    pub fn is_night(&self) -> bool {
        !DAYTIME.contains(&self.of_day)
    }

    /// 1 in the middle of the afternoon, -1 in the middle of the night.
    pub fn afternoon(&self) -> f64 {
        ((self.of_day as f64 - PEAK) / MINUTES_PER_DAY as f64 * TAU).cos()
    }
}

/// Plans this many minutes.
pub(super) fn plan(rng: &mut Rng, minutes: usize) -> Vec<Minute> {
    let mut plan = Vec::with_capacity(minutes);
    while plan.len() < minutes {
        let (activity, length) = bout(rng, of_day(plan.len()));
        for _ in 0..length.min(minutes - plan.len()) {
            let breaths = activity.breaths() + (rng.f64() - 0.5) * 3.0;
            plan.push(Minute {
                of_day: of_day(plan.len()),
                activity,
                breaths_x4: (breaths * 4.0).round() as i32,
            });
        }
    }
    plan
}

fn of_day(index: usize) -> usize {
    (STARTS_AT + index) % MINUTES_PER_DAY
}

/// What is done next, and for how many minutes.
fn bout(rng: &mut Rng, of_day: usize) -> (Activity, usize) {
    if !DAYTIME.contains(&of_day) {
        return (Activity::Rest, rng.usize(20..=60));
    }
    match rng.u8(0..100) {
        0..42 => (Activity::Other, rng.usize(5..=60)),
        42..66 => (Activity::Rest, rng.usize(5..=45)),
        66..86 => (Activity::Walk, rng.usize(4..=40)),
        86..92 => (Activity::Cycle, rng.usize(10..=40)),
        92..96 => (Activity::Run, rng.usize(15..=45)),
        _ => (Activity::Unspecified, rng.usize(10..=40)),
    }
}
