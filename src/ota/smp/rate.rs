//! How fast it goes, over the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// What counts.
const SPAN: Duration = Duration::from_secs(5);

/// Samples of a count that grows, over the last seconds.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    /// A sample; gives the growth per second since the oldest that counts. 0 until there are two moments to compare.
    pub(super) fn sample(&mut self, now: Duration, count: u64) -> f64 {
        if self.0.back().is_some_and(|(_, before)| count < *before) {
            self.0.clear();
        }
        // One sample older than the span stays, so that a slow link has a rate at all.
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= SPAN) {
            self.0.pop_front();
        }
        self.0.push_back((now, count));
        let (since, before) = self.0[0];
        let seconds = now.saturating_sub(since).as_secs_f64();
        if seconds > 0.0 { (count - before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        let second = |second| Duration::from_secs(second);
        assert_eq!(rate.sample(second(100), 0).to_bits(), 0);
        for at in 1..=10 {
            assert!((rate.sample(second(100 + at), at * 1000) - 1000.0).abs() < 1e-6);
        }
        for at in 11..=20 {
            rate.sample(second(100 + at), 10_000);
        }
        assert!(rate.sample(second(121), 10_000) < 1e-6, "it stands still");
        assert!(rate.sample(second(122), 0).abs() < 1e-6, "it began anew");
    }
}
