//! The watch's clock: ticks since boot, from a crystal that is a little off.
//!
//! The simulator knows the truth: when each boot happened, and how fast the crystal runs. A host must work both out from
//! anchors; [`WatchClock::true_time`] tells how well it did.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::wire::bridge::Boot;

const MILLION: i128 = 1_000_000;

/// Ticks, and what they mean.
#[derive(Clone, Debug)]
pub(super) struct WatchClock {
    truth: Clock,
    drift_ppm: i32,
    boot: Boot,
    /// True time at tick 0 of each boot of this simulation.
    boots: BTreeMap<Boot, UtcMicros>,
}

impl WatchClock {
    /// A clock whose ticks run `drift_ppm` too fast (or, negative, too slow), and read `age` now.
    pub fn new(truth: Clock, drift_ppm: i32, boot: Boot, age: Duration) -> Self {
        // The clock of a host may be set while the simulation runs; the truth may not.
        let truth = match truth {
            Clock::System | Clock::Host(_) => Clock::simulated(truth.now()),
            simulated @ Clock::Simulated { .. } => simulated,
        };
        let mut clock = Self { truth, drift_ppm, boot, boots: BTreeMap::new() };
        clock.restart(boot, age);
        clock
    }

    /// Another boot, whose ticks read `age` now.
    pub fn restart(&mut self, boot: Boot, age: Duration) {
        let age = self.true_micros(age.as_micros() as i128);
        self.boot = boot;
        self.boots.insert(boot, UtcMicros(self.truth.now().0 - age));
    }

    /// Ticks of the present boot, µs.
    pub fn ticks_us(&self) -> u64 {
        let elapsed = self.truth.now().since(self.boots[&self.boot]);
        (i128::from(elapsed) * self.rate() / MILLION).max(0) as u64
    }

    /// The present boot's ticks, ms.
    pub fn ticks_ms(&self) -> u64 {
        self.ticks_us() / 1_000
    }

    /// The true instant of a tick. `None` for a boot from before this simulation.
    pub fn true_time(&self, boot: Boot, ticks_us: u64) -> Option<UtcMicros> {
        self.boots.get(&boot).map(|start| UtcMicros(start.0 + self.true_micros(ticks_us.into())))
    }

    /// True time until the ticks read `at_ms`.
    pub fn until(&self, at_ms: u64) -> Duration {
        let ticks = (at_ms * 1_000).saturating_sub(self.ticks_us());
        Duration::from_micros(self.true_micros(ticks.into()) as u64)
    }

    /// True time in which so many ticks pass, rounded up, so that after it they have passed.
    fn true_micros(&self, ticks_us: i128) -> i64 {
        let micros = (ticks_us * MILLION + self.rate() - 1) / self.rate();
        i64::try_from(micros).unwrap_or(i64::MAX / 2)
    }

    /// Ticks in a million true microseconds.
    fn rate(&self) -> i128 {
        (MILLION + i128::from(self.drift_ppm)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UtcMicros = UtcMicros(1_700_000_000_000_000);

    #[tokio::test(start_paused = true)]
    async fn a_fast_crystal_gains_four_seconds_a_day() {
        let clock = WatchClock::new(Clock::simulated(START), 50, Boot(1), Duration::ZERO);
        tokio::time::advance(Duration::from_hours(24)).await;
        assert_eq!(clock.ticks_us(), 86_404_320_000);
        assert_eq!(clock.true_time(Boot(1), 86_404_320_000), Some(UtcMicros(START.0 + 86_400_000_000)));
        assert_eq!(clock.true_time(Boot(2), 0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_has_run_for_a_day_reads_a_day() {
        for drift_ppm in [-200, -17, 0, 3, 1_000] {
            let mut clock =
                WatchClock::new(Clock::simulated(START), drift_ppm, Boot(7), Duration::from_hours(25));
            assert_eq!(clock.ticks_ms(), 90_000_000, "{drift_ppm} ppm");
            let wait = clock.until(90_060_000);
            tokio::time::advance(wait).await;
            assert_eq!(clock.ticks_ms(), 90_060_000, "{drift_ppm} ppm");
            clock.restart(Boot(8), Duration::ZERO);
            assert_eq!(clock.ticks_us(), 0);
            assert_eq!(clock.true_time(Boot(8), 0), Some(clock.truth.now()));
        }
    }
}
