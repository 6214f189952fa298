//! When the beats were: R-R intervals carry no time, only the notification has an arrival.
//!
//! Arrivals jitter by up to a second, intervals do not. So the beats of a run are placed by adding intervals up, in the sensor's own
//! 1/1024 s so that nothing is lost to rounding, and arrivals only say where a run begins and whether it still holds.

use std::time::Duration;

use tokio::time::Instant;

use crate::measurement::Quality;
use crate::watch::LiveSample;
use crate::wire::bridge::Stream;

/// How far the last beat may lie from the arrival that told of it. Farther: intervals were lost, or told twice.
const FARTHEST: Duration = Duration::from_secs(1);

/// The beats of one sensor, on the host's clock.
#[derive(Debug, Default)]
pub struct BeatClock {
    run: Option<Run>,
    /// The last beat that was told.
    told: Option<Instant>,
    /// The next beat that is told does not follow on it.
    starts: bool,
}

/// Beats of which each follows on the one before.
#[derive(Clone, Copy, Debug)]
struct Run {
    origin: Instant,
    /// From there to the last beat, 1/1024 s.
    length: u64,
}

impl Run {
    /// A run without a beat yet, so long before `arrived` that intervals of `length` end there.
    fn ending(arrived: Instant, length: u64) -> Self {
        let whole = Self { origin: arrived, length }.end() - arrived;
        Self { origin: arrived.checked_sub(whole).unwrap_or(arrived), length: 0 }
    }

    /// Whether the run, longer by `length`, still ends about when it is told of.
    fn holds(self, length: u64, arrived: Instant) -> bool {
        let end = Self { length: self.length + length, ..self }.end();
        end.max(arrived) - end.min(arrived) <= FARTHEST
    }

    fn end(&self) -> Instant {
        // A 1024th of a second is 976,562.5 ns.
        self.origin + Duration::from_nanos(self.length * 1_953_125 / 2)
    }
}

impl BeatClock {
    /// The beats that `intervals`, oldest first, tell of. Of a run that begins here the first beat is the one that the first interval
    /// began with.
    pub fn place(&mut self, intervals: &[u16], arrived: Instant, quality: Quality) -> Vec<LiveSample> {
        // An interval of nothing is a beat that the sensor has missed.
        if intervals.contains(&0) {
            self.run = None;
        }
        let length: u64 = intervals.iter().copied().map(u64::from).sum();
        if length == 0 {
            return Vec::new();
        }
        let mut samples = Vec::with_capacity(intervals.len() + 1);
        let mut run = if let Some(run) = self.run.filter(|run| run.holds(length, arrived)) {
            run
        } else {
            let run = Run::ending(arrived, length);
            self.starts = true;
            samples.extend(self.tell(run.origin, 0, quality));
            run
        };
        for &interval in intervals.iter().filter(|interval| **interval > 0) {
            run.length += u64::from(interval);
            samples.extend(self.tell(run.end(), interval, quality));
        }
        self.run = Some(run);
        samples
    }

    /// A beat, unless it was told before: a run that begins anew because its clock had run ahead may reach back.
    fn tell(&mut self, at: Instant, interval: u16, quality: Quality) -> Option<LiveSample> {
        if self.told.is_some_and(|told| at <= told) {
            return None;
        }
        let rounded = (u32::from(interval) * 1_000 + 512) / 1_024;
        let value = if self.starts { 0 } else { rounded.cast_signed() };
        (self.told, self.starts) = (Some(at), false);
        Some(LiveSample { stream: Stream::BEATS, at, value, quality })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(samples: &[LiveSample], since: Instant) -> Vec<(u128, i32)> {
        samples.iter().map(|beat| ((beat.at - since).as_millis(), beat.value)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_begins_with_the_beat_before_the_first_interval() {
        let (start, mut clock) = (Instant::now(), BeatClock::default());
        let place = |clock: &mut BeatClock, ms, intervals: &[u16]| {
            told(&clock.place(intervals, start + Duration::from_millis(ms), Quality::GOOD), start)
        };
        assert_eq!(place(&mut clock, 5_000, &[1_024, 512]), [(3_500, 0), (4_500, 1_000), (5_000, 500)]);
        // Arrivals jitter, beats do not.
        assert_eq!(place(&mut clock, 6_400, &[1_024]), [(6_000, 1_000)]);
        assert_eq!(place(&mut clock, 6_900, &[1_024]), [(7_000, 1_000)]);
        // Two notifications were lost.
        assert_eq!(place(&mut clock, 10_000, &[1_024]), [(9_000, 0), (10_000, 1_000)]);
        // A beat was missed.
        assert_eq!(place(&mut clock, 12_000, &[0, 1_024]), [(11_000, 0), (12_000, 1_000)]);
        assert_eq!(place(&mut clock, 12_500, &[]), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_told_is_not_told_again() {
        let (start, mut clock) = (Instant::now(), BeatClock::default());
        let mut place = |ms, intervals: &[u16]| {
            told(&clock.place(intervals, start + Duration::from_millis(ms), Quality::GOOD), start)
        };
        place(2_000, &[1_024]);
        place(2_100, &[1_000]);
        // The clock has run ahead by more than a second: its beats up to there cover what comes anew.
        assert_eq!(place(2_200, &[1_024]), []);
        assert_eq!(place(4_000, &[1_024, 512]), [(3_200, 0), (3_700, 500)]);
    }

    proptest! {
        /// However often it is added to, the clock is where the exact sum is, and no beat comes before another.
        #[test]
        fn rounding_never_drifts(intervals in proptest::collection::vec(300_u16..2_000, 1..3_000)) {
            let (start, mut clock, mut sum) = (Instant::now(), BeatClock::default(), 0_u64);
            let (mut last, mut count) = (None, 0);
            for &interval in &intervals {
                sum += u64::from(interval);
                let at = start + Duration::from_micros(sum * 1_000_000 / 1_024);
                for beat in clock.place(&[interval], at, Quality::GOOD) {
                    prop_assert!(last.is_none_or(|last| beat.at > last));
                    (last, count) = (Some(beat.at), count + 1);
                }
            }
            let exact = start + Duration::from_micros(sum * 1_000_000 / 1_024);
            let last = last.unwrap();
            prop_assert!(last.max(exact) - last.min(exact) <= Duration::from_micros(2));
            prop_assert_eq!(count, intervals.len() + 1);
        }
    }
}
