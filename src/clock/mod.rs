//! The one source of wall time, and of whether that can be believed.
//!
//! Timers use tokio's monotonic clock (paused in tests). Whatever needs to know *what time it is* asks a [`Clock`],
//! so that a simulated day can pass in a test and a Raspberry Pi without a battery-backed clock can be imitated.
//!
//! Such a computer starts where it left off, or in 1970, and is set right by network a minute or a week later. Until then it must
//! date nothing. So a clock also says how far it is to be trusted, and shows a second time that nobody can set: what the two are apart
//! changes only when the clock is set.

mod host;
mod synchrony;

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use host::SimulatedHost;
pub use synchrony::{Synchrony, synchrony_on};

use crate::measurement::UtcMicros;

/// When this program was written, to the year (2025-01-01): a clock that says less is wrong. It stands here, and is not taken from
/// whoever compiles it, so that one source always makes one program.
const WRITTEN: UtcMicros = UtcMicros(1_735_689_600_000_000);

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
    /// The clock of a simulated host, which may be wrong, and may be set.
    Host(&'static SimulatedHost),
}

/// Whether a clock can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It is synchronised, or was since this computer started, and was not set by anybody since.
    Synchronised,
    /// Nobody here can say. That alone is no reason to doubt it.
    #[default]
    Unknown,
    /// The operating system waits for it to be synchronised.
    Unsynchronised,
    /// It says that this program is yet to be written.
    BeforeItsTime,
}

impl Trust {
    /// Whether times may be taken from it.
    pub const fn is_believed(self) -> bool {
        matches!(self, Self::Synchronised | Self::Unknown)
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Synchronised => "this computer's clock is synchronised",
            Self::Unknown => "nothing here tells whether this computer's clock is synchronised; it is believed",
            Self::Unsynchronised => {
                "this computer's clock is not synchronised yet; readings are dated once it is (see `timedatectl`; if you set the \
                 clock yourself, run `timedatectl set-ntp false`)"
            }
            Self::BeforeItsTime => {
                "this computer's clock is years behind; readings are dated once it is set (see `timedatectl`)"
            }
        })
    }
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
            Self::Simulated { origin, start } => UtcMicros(start.0 + micros_since(*origin)),
            Self::Host(host) => host.now(),
        }
    }

    /// µs on a clock that nobody sets and that also runs while this computer sleeps, from any beginning.
    pub fn steady_us(&self) -> i64 {
        match self {
            Self::System => synchrony::since_boot_us(),
            Self::Simulated { origin, .. } => micros_since(*origin),
            Self::Host(host) => host.steady_us(),
        }
    }

    /// How far the two are apart, µs. It changes only when the clock is set.
    pub fn offset_us(&self) -> i64 {
        self.now().0.saturating_sub(self.steady_us())
    }

    /// Whether it can be believed.
    pub fn trust(&self) -> Trust {
        let synchrony = match self {
            _ if self.now() < WRITTEN => return Trust::BeforeItsTime,
            Self::System => synchrony::of_system(),
            Self::Simulated { .. } => Synchrony::Synchronised,
            Self::Host(host) => host.synchrony(),
        };
        match synchrony {
            Synchrony::Synchronised => Trust::Synchronised,
            Synchrony::Unknown => Trust::Unknown,
            Synchrony::Unsynchronised => Trust::Unsynchronised,
        }
    }

    /// Whether times may be taken from it: a small computer without a battery wakes up in 1970.
    pub fn is_set(&self) -> bool {
        self.trust().is_believed()
    }

    /// Finds out whether the clock is synchronised, as far as anybody tells; [`Clock::trust`] knows it from then on. `was_set`: somebody
    /// has set it, so that it counts for nothing whether it was synchronised before.
    pub async fn ask(&self, was_set: bool) {
        if matches!(self, Self::System) {
            synchrony::ask_system(was_set).await;
        }
    }
}

fn micros_since(origin: Instant) -> i64 {
    i64::try_from(origin.elapsed().as_micros()).unwrap_or(i64::MAX / 2)
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

    const START: UtcMicros = UtcMicros(1_763_827_200_000_000);

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_runs_with_tokio_time() {
        let clock = Clock::simulated(UtcMicros(1_000_000));
        tokio::time::advance(Duration::from_hours(24)).await;
        assert_eq!((clock.now(), clock.offset_us()), (UtcMicros(86_401_000_000), 1_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_system_clock_is_past_the_year_2025() {
        assert!(Clock::System.is_set());
        assert_eq!(Clock::simulated(UtcMicros(7_000_000)).trust(), Trust::BeforeItsTime);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_is_believed_unless_somebody_says_that_it_is_wrong() {
        let (clock, host) = SimulatedHost::at(START, Synchrony::Unknown);
        assert_eq!((clock.trust(), clock.is_set()), (Trust::Unknown, true));
        host.say(Synchrony::Unsynchronised);
        assert_eq!((clock.trust(), clock.is_set()), (Trust::Unsynchronised, false));
        host.say(Synchrony::Synchronised);
        assert_eq!((clock.trust(), clock.is_set()), (Trust::Synchronised, true));
        host.set(UtcMicros(7_000_000));
        assert_eq!((clock.trust(), clock.is_set()), (Trust::BeforeItsTime, false));
    }

    #[tokio::test(start_paused = true)]
    async fn only_setting_a_clock_moves_it_against_the_steady_one() {
        let (clock, host) = SimulatedHost::at(START, Synchrony::Unknown);
        let before = clock.offset_us();
        tokio::time::advance(Duration::from_hours(7)).await;
        assert_eq!(clock.offset_us(), before);
        host.step(-3_600_000_000);
        assert_eq!(clock.offset_us(), before - 3_600_000_000);
        assert_eq!(clock.now(), UtcMicros(START.0 + 6 * 3_600_000_000));
    }

    #[tokio::test]
    async fn the_steady_clock_of_the_system_runs_on() {
        let (began, offset) = (Clock::System.steady_us(), Clock::System.offset_us());
        tokio::task::yield_now().await;
        assert!(Clock::System.steady_us() >= began && began > 0);
        assert!((Clock::System.offset_us() - offset).abs() < 60_000_000);
    }
}
