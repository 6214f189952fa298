//! How long to wait before trying again: exponential with full jitter.
//!
//! Full jitter (a uniform wait between nothing and the ceiling) spreads many clients that failed at the same moment best; the
//! floor keeps one client from hammering. Waits run on tokio's monotonic clock: a stepped wall clock changes nothing.

use std::time::Duration;

/// A row of waits that grows to a ceiling and starts over after a success.
#[derive(Clone, Debug)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    failures: u32,
    rng: fastrand::Rng,
}

impl Backoff {
    /// Waits between `floor` and `ceiling`; the same seed gives the same waits.
    pub const fn new(floor: Duration, ceiling: Duration, rng: fastrand::Rng) -> Self {
        Self { floor, ceiling, failures: 0, rng }
    }

    /// Failures since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// It worked: the next failure waits briefly again.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It failed once more: how long to wait now, at least `at_least` (a server's Retry-After).
    pub fn failed(&mut self, at_least: Duration) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled = self.floor.saturating_mul(1 << self.failures.min(20));
        let ceiling = doubled.min(self.ceiling).max(self.floor);
        let spread = ceiling.saturating_sub(self.floor);
        at_least.max(self.floor + spread.mul_f64(self.rng.f64()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLOOR: Duration = Duration::from_secs(2);
    const CEILING: Duration = Duration::from_mins(15);

    proptest! {
        #[test]
        fn waits_stay_between_floor_and_ceiling_and_never_below_retry_after(seed in any::<u64>(), asked in 0_u64..100_000) {
            let asked = Duration::from_secs(asked);
            let mut backoff = Backoff::new(FLOOR, CEILING, fastrand::Rng::with_seed(seed));
            for round in 1..60_u32 {
                let wait = backoff.failed(Duration::ZERO);
                prop_assert!(wait >= FLOOR && wait <= CEILING);
                prop_assert!(round >= 9 || wait <= FLOOR * 2_u32.pow(round));
                prop_assert!(backoff.failed(asked) >= asked);
                backoff.failures = round;
            }
            backoff.succeeded();
            prop_assert!(backoff.failed(Duration::ZERO) <= FLOOR * 2);
        }
    }
}
