//! The one source of wall time.
//!
//! Timers use tokio's monotonic clock (paused in tests). Whatever needs to know *what time it is* asks a [`Clock`],
//! so that a simulated day can pass in a test and a Raspberry Pi without a battery-backed clock can be imitated.

use tokio::time::Instant;

use crate::measurement::UtcMicros;

/// A host whose clock says less than this (2025-01-01) has not been told the time.
const SET_AFTER: UtcMicros = UtcMicros(1_735_689_600_000_000);

/// Where "now" comes from. Cheap to clone.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The operating system's clock.
    #[default]
    System,
    /// A clock that stood at `start` when tokio's clock stood at `origin`, and runs with tokio's clock.
    Simulated {
        /// tokio's reading at the moment `start` names.
        origin: Instant,
        /// The wall time at `origin`.
        start: UtcMicros,
    },
}

impl Clock {
    /// A clock that shows `start` now and runs with tokio's clock from here on.
    pub fn simulated(start: UtcMicros) -> Self {
        Self::Simulated { origin: Instant::now(), start }
    }

    /// The present wall time, UTC.
    pub fn now(&self) -> UtcMicros {
        match self {
            Self::System => system_now(),
            Self::Simulated { origin, start } => {
                UtcMicros(start.0 + i64::try_from(origin.elapsed().as_micros()).unwrap_or(i64::MAX / 2))
            }
        }
    }

    /// Whether this host has been told the time: a small computer without a battery wakes up in 1970.
    pub fn is_set(&self) -> bool {
        self.now() >= SET_AFTER
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else asks")]
fn system_now() -> UtcMicros {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => UtcMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        Err(before) => UtcMicros(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_runs_with_tokio_time() {
        let clock = Clock::simulated(UtcMicros(1_000_000));
        tokio::time::advance(Duration::from_hours(24)).await;
        assert_eq!(clock.now(), UtcMicros(86_401_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_system_clock_is_past_the_year_2025() {
        assert!(Clock::System.is_set());
        assert!(!Clock::simulated(UtcMicros(7_000_000)).is_set());
    }
}
