//! How long to wait after what. One row of waits for each class of failure: what one class has learned says nothing of another.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// A watch that just went may be in the next room: it is looked for often …
const MISSED: Duration = Duration::from_mins(10);
const AWAY_FLOOR: Duration = Duration::from_secs(2);
/// … so that with the time that a connect takes it is back within ten seconds. An attempt listens for as long as the radio's own
/// deadline, so the waits are most of the time in which a watch could come back unheard.
const MISSED_CEILING: Duration = Duration::from_secs(8);
/// Later it is looked for about once a minute, the attempts and the turns of others included, for as long as it takes.
const AWAY_CEILING: Duration = Duration::from_mins(1);
/// A radio that says that it is ready and then is not: it is asked again soon, since nothing will tell when it is.
const RADIO_CEILING: Duration = Duration::from_secs(8);
/// Links that end before they were of use are common and come to nothing: another attempt nearly always works …
const ABORTED_FLOOR: Duration = Duration::from_secs(1);
const ABORTED_CEILING: Duration = Duration::from_secs(4);
/// … and if so many in a row do not, something is wrong.
const QUICK_TRIES: u32 = 5;
/// A scan that somebody asked for takes eight seconds unless they said otherwise.
const OWN_ERRAND_CEILING: Duration = Duration::from_secs(8);
const BUSY_CEILING: Duration = Duration::from_secs(30);
const FAILED_FLOOR: Duration = Duration::from_secs(2);
/// A watch buffers about a day; a quarter of an hour costs neither data nor battery.
const FAILED_CEILING: Duration = Duration::from_mins(15);
/// Only a person can mend it, and whoever does says so. In case nobody does, it is tried now and then.
const UNTIL_MENDED: Duration = Duration::from_mins(15);

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The watch does not answer.
    Away,
    /// The radio went away.
    Radio,
    /// The link ended at once.
    Aborted,
    /// We use the radio for something else.
    OwnErrand,
    /// Somebody else uses the radio or the watch.
    Busy,
    /// Anything that may pass.
    Failed,
    /// Anything that will not.
    Person,
}

/// What a watcher has learned of its watch.
#[derive(Debug)]
pub struct Policy {
    missed: Backoff,
    away: Backoff,
    radio: Backoff,
    aborted: Backoff,
    own_errand: Backoff,
    busy: Backoff,
    failed: Backoff,
    absent_since: Option<Instant>,
    aborts: u32,
}

impl Policy {
    /// The same seed gives the same waits.
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut waits = |floor, ceiling| Backoff::new(floor, ceiling, rng.fork());
        Self {
            missed: waits(AWAY_FLOOR, MISSED_CEILING),
            away: waits(AWAY_FLOOR, AWAY_CEILING),
            radio: waits(AWAY_FLOOR, RADIO_CEILING),
            aborted: waits(ABORTED_FLOOR, ABORTED_CEILING),
            own_errand: waits(FAILED_FLOOR, OWN_ERRAND_CEILING),
            busy: waits(FAILED_FLOOR, BUSY_CEILING),
            failed: waits(FAILED_FLOOR, FAILED_CEILING),
            absent_since: None,
            aborts: 0,
        }
    }

    /// It failed: how long to wait.
    pub fn wait(&mut self, class: Class) -> Duration {
        match class {
            Class::Away => {
                let since = *self.absent_since.get_or_insert_with(Instant::now);
                let waits = if since.elapsed() < MISSED { &mut self.missed } else { &mut self.away };
                waits.failed(Duration::ZERO)
            }
            Class::Radio => self.radio.failed(Duration::ZERO),
            Class::Aborted => {
                self.absent_since = None;
                let quick = self.aborted.failures() < QUICK_TRIES;
                let waits = if quick { &mut self.aborted } else { &mut self.failed };
                waits.failed(Duration::ZERO)
            }
            Class::OwnErrand => self.own_errand.failed(Duration::ZERO),
            Class::Busy => self.busy.failed(Duration::ZERO),
            Class::Failed => self.failed.failed(Duration::ZERO),
            Class::Person => UNTIL_MENDED,
        }
    }

    /// Whether the watch did not answer lately.
    pub const fn is_looking(&self) -> bool {
        self.absent_since.is_some()
    }

    /// Failures in a row. Neither absence nor the radio's troubles nor our own errands are the watch's failures.
    pub const fn failures(&self) -> u32 {
        self.aborted.failures() + self.busy.failures() + self.failed.failures()
    }

    /// A link ended before it was of use, or an attempt ended otherwise: how many in a row were of the former sort.
    pub const fn aborts(&mut self, one_more: bool) -> u32 {
        self.aborts = if one_more { self.aborts.saturating_add(1) } else { 0 };
        self.aborts
    }

    /// The watch was reached, and is the right one.
    pub const fn reached(&mut self) {
        (self.absent_since, self.aborts) = (None, 0);
        self.missed.succeeded();
        self.away.succeeded();
        self.radio.succeeded();
        self.own_errand.succeeded();
        self.busy.succeeded();
    }

    /// A session fetched everything. Whether the watch will go on hanging up is another matter.
    pub const fn completed(&mut self) {
        self.failed.succeeded();
    }

    /// The link was good for something: it lasted, or brought something before it broke, or was given back in order. A link that
    /// breaks now and then, but brings something each time, is no reason to wait longer and longer.
    pub const fn was_of_use(&mut self) {
        self.failed.succeeded();
        self.aborted.succeeded();
    }

    /// The radio is back: whatever failed without it, failed without the watch's doing.
    pub const fn radio_returned(&mut self) {
        self.reached();
        self.was_of_use();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest wait that a class comes to, from a fresh start and after so many failures.
    fn longest(class: Class, failures: u32) -> Duration {
        let mut policy = Policy::new(3);
        (0..failures).map(|_| policy.wait(class)).max().unwrap_or_default()
    }

    #[test]
    fn each_class_is_as_patient_as_its_cause() {
        assert!(longest(Class::Away, 500) <= MISSED_CEILING);
        assert!(longest(Class::Radio, 500) <= RADIO_CEILING);
        assert!(longest(Class::Aborted, QUICK_TRIES) <= ABORTED_CEILING);
        assert!(longest(Class::OwnErrand, 500) <= OWN_ERRAND_CEILING);
        assert!(longest(Class::Busy, 500) <= BUSY_CEILING);
        assert!(longest(Class::Aborted, 50) > Duration::from_mins(10));
        assert!(longest(Class::Failed, 50) > Duration::from_mins(10));
        assert!(longest(Class::Failed, 500) <= FAILED_CEILING);
    }

    #[test]
    fn links_that_break_early_become_failures_and_are_forgiven_when_one_is_of_use() {
        let mut policy = Policy::new(3);
        for _ in 0..12 {
            policy.wait(Class::Aborted);
        }
        assert_eq!(policy.failures(), 12);
        policy.completed();
        assert_eq!(
            policy.failures(),
            QUICK_TRIES,
            "a watch that answers and hangs up each time is not trusted yet"
        );
        policy.was_of_use();
        assert_eq!(policy.failures(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_away_for_long_is_looked_for_less_often() {
        let mut policy = Policy::new(3);
        policy.wait(Class::Away);
        tokio::time::advance(MISSED).await;
        let waits: Vec<Duration> = (0..50).map(|_| policy.wait(Class::Away)).collect();
        assert!(waits.iter().any(|wait| *wait > Duration::from_secs(40)), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= AWAY_CEILING), "{waits:?}");
        policy.reached();
        assert!(policy.wait(Class::Away) <= MISSED_CEILING);
    }
}
