//! The ladder that a wedged radio is helped along: stop a discovery, disconnect the watch, switch the adapter off and on, tell.
//!
//! All watches of an adapter climb one ladder: that several fail in the same way is what tells a radio that hangs from a watch that
//! does. A session that brings something, or fails for another reason, leads back to its foot; to be connected does not, since a radio
//! may well hang after that. A watch that is away is no failure and never leads up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::radio::{CALL_DEADLINE, Central, PeerAddress, RadioError, RecoveryStep};

/// Failures that count together.
const WINDOW: Duration = Duration::from_mins(10);
/// So many lead to the first step …
const FIRST_STEP_AFTER: usize = 3;
/// … and so many after a step to the next: one step did not help if two attempts still fail.
const NEXT_STEP_AFTER: usize = 2;
/// When every step was of no use, the ladder is climbed again after this.
const REST: Duration = Duration::from_hours(1);
/// A step takes a few seconds: an adapter comes back with its controller's firmware loaded anew.
const STEP_DEADLINE: Duration = CALL_DEADLINE.saturating_add(Duration::from_secs(10));

/// What was tried to get the radio going again, since the daemon was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCounts {
    /// Discoveries stopped.
    pub stop_discovery: u64,
    /// Watches disconnected.
    pub disconnect_watch: u64,
    /// Times the adapter was switched off and on.
    pub power_cycle: u64,
    /// Of these steps, how many could not be taken.
    pub failed: u64,
    /// Whether every step was of no use.
    pub stuck: bool,
}

/// The ladder of one adapter. Cheap to clone; every clone is the same ladder.
#[derive(Clone, Debug)]
pub struct Recovery {
    ladder: Arc<watch::Sender<Ladder>>,
    counts: Arc<watch::Sender<RecoveryCounts>>,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Advice {
    /// Nothing yet.
    Wait,
    /// This.
    Take(RecoveryStep),
    /// Nothing is left: tell.
    Tell,
}

#[derive(Debug)]
struct Ladder {
    power_cycle: bool,
    failures: VecDeque<Instant>,
    /// How many steps were climbed.
    climbed: usize,
    /// When each step was last taken.
    taken: [Option<Instant>; RecoveryStep::ALL.len()],
    /// Since when nothing is left.
    stuck: Option<Instant>,
}

impl Recovery {
    /// A ladder; its last step only if `power_cycle`.
    pub fn new(power_cycle: bool) -> Self {
        Self { ladder: Arc::new(watch::Sender::new(Ladder::new(power_cycle))), counts: Arc::default() }
    }

    /// What was tried so far, and every change of it.
    pub fn counts(&self) -> watch::Receiver<RecoveryCounts> {
        self.counts.subscribe()
    }

    /// The radio works: more came of a link than that it was open.
    pub(super) fn succeeded(&self) {
        self.ladder.send_if_modified(|ladder| {
            ladder.succeeded();
            false
        });
        self.counts.send_if_modified(|counts| std::mem::take(&mut counts.stuck));
    }

    /// The radio failed with `peer`. Takes the step that is due, if any; `true` if nothing is left to try.
    pub(super) async fn failed<C: Central>(&self, central: &C, peer: &PeerAddress) -> bool {
        let mut advice = Advice::Wait;
        self.ladder.send_if_modified(|ladder| {
            advice = ladder.failed(Instant::now());
            false
        });
        match advice {
            Advice::Wait => false,
            Advice::Take(step) => {
                self.take(step, central, peer).await;
                false
            }
            Advice::Tell => {
                if self.counts.send_if_modified(|counts| !std::mem::replace(&mut counts.stuck, true)) {
                    tracing::error!("The radio is stuck, and nothing that may be tried helps.");
                }
                true
            }
        }
    }

    async fn take<C: Central>(&self, step: RecoveryStep, central: &C, peer: &PeerAddress) {
        tracing::warn!(?step, watch = %peer, "The radio fails again and again; this may get it going.");
        let took = timeout(STEP_DEADLINE, central.recover(step, peer)).await;
        let took = took.unwrap_or(Err(RadioError::Timeout("a step of recovery")));
        if let Err(RadioError::OwnErrand(what)) = took {
            tracing::info!(?step, what, "The step was not taken, as an errand of ours has the radio.");
            self.ladder.send_if_modified(|ladder| {
                ladder.not_taken(step);
                false
            });
            return;
        }
        if let Err(error) = &took {
            tracing::warn!(?step, %error, "The step could not be taken.");
        }
        self.counts.send_modify(|counts| {
            *match step {
                RecoveryStep::StopDiscovery => &mut counts.stop_discovery,
                RecoveryStep::DisconnectWatch => &mut counts.disconnect_watch,
                RecoveryStep::PowerCycle => &mut counts.power_cycle,
            } += 1;
            counts.failed += u64::from(took.is_err());
        });
    }
}

impl Ladder {
    const fn new(power_cycle: bool) -> Self {
        let taken = [None; RecoveryStep::ALL.len()];
        Self { power_cycle, failures: VecDeque::new(), climbed: 0, taken, stuck: None }
    }

    fn succeeded(&mut self) {
        self.failures.clear();
        (self.climbed, self.stuck) = (0, None);
    }

    /// An advice could not be followed: the next failures lead to the same step.
    fn not_taken(&mut self, step: RecoveryStep) {
        if let Some(index) = RecoveryStep::ALL.iter().position(|known| *known == step) {
            self.climbed = self.climbed.min(index);
            self.taken[index] = None;
        }
    }

    fn failed(&mut self, now: Instant) -> Advice {
        if self.stuck.is_some_and(|since| now - since >= REST) {
            self.succeeded();
        }
        self.failures.retain(|at| now - *at < WINDOW);
        self.failures.push_back(now);
        let enough = if self.climbed == 0 { FIRST_STEP_AFTER } else { NEXT_STEP_AFTER };
        if self.stuck.is_some() {
            return Advice::Tell;
        }
        if self.failures.len() < enough {
            return Advice::Wait;
        }
        let step = RecoveryStep::ALL.get(self.climbed).copied();
        let Some(step) = step.filter(|step| *step != RecoveryStep::PowerCycle || self.power_cycle) else {
            self.stuck = Some(now);
            return Advice::Tell;
        };
        let taken = &mut self.taken[self.climbed];
        if taken.is_some_and(|at| now - at < pause(step)) {
            // Not so soon again. What would be milder has been tried, what would be harsher has to wait for this.
            return if step == RecoveryStep::PowerCycle { Advice::Tell } else { Advice::Wait };
        }
        *taken = Some(now);
        self.climbed += 1;
        self.failures.clear();
        Advice::Take(step)
    }
}

/// A step is taken at most once in this time.
const fn pause(step: RecoveryStep) -> Duration {
    match step {
        RecoveryStep::StopDiscovery => Duration::from_mins(1),
        RecoveryStep::DisconnectWatch => Duration::from_mins(2),
        RecoveryStep::PowerCycle => Duration::from_hours(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// What the ladder advises on failures that are so far apart.
    fn advised(ladder: &mut Ladder, from: Instant, apart: Duration, count: u32) -> Vec<Advice> {
        (0..count).map(|index| ladder.failed(from + apart * index)).collect()
    }

    #[test]
    fn steps_come_in_order_and_then_the_truth() {
        use Advice::{Take, Tell, Wait};
        use RecoveryStep::{DisconnectWatch, PowerCycle, StopDiscovery};
        let start = Instant::now();
        let mut ladder = Ladder::new(true);
        let advice = advised(&mut ladder, start, MINUTE, 10);
        let climb = [Wait, Wait, Take(StopDiscovery), Wait, Take(DisconnectWatch), Wait, Take(PowerCycle)];
        assert_eq!(advice[..7], climb);
        assert_eq!(advice[7..], [Wait, Tell, Tell]);
        let mut careful = Ladder::new(false);
        assert_eq!(advised(&mut careful, start, MINUTE, 7)[5..], [Wait, Tell]);
    }

    #[test]
    fn a_success_leads_to_the_foot_but_no_step_comes_too_soon() {
        let start = Instant::now();
        let mut ladder = Ladder::new(true);
        advised(&mut ladder, start, MINUTE, 7);
        ladder.succeeded();
        let advice = advised(&mut ladder, start + 7 * MINUTE, MINUTE, 53);
        let steps = advice.iter().filter(|advice| matches!(advice, Advice::Take(_)));
        assert!(
            steps.eq(&[
                Advice::Take(RecoveryStep::StopDiscovery),
                Advice::Take(RecoveryStep::DisconnectWatch)
            ])
        );
        assert_eq!(ladder.failed(start + 65 * MINUTE), Advice::Tell, "power cycled an hour ago, almost");
        assert_eq!(ladder.failed(start + 66 * MINUTE), Advice::Take(RecoveryStep::PowerCycle));
    }

    #[test]
    fn a_step_that_could_not_be_taken_comes_again() {
        let (start, mut ladder) = (Instant::now(), Ladder::new(true));
        let step = Advice::Take(RecoveryStep::StopDiscovery);
        assert_eq!(advised(&mut ladder, start, Duration::ZERO, 3)[2], step);
        ladder.not_taken(RecoveryStep::StopDiscovery);
        assert_eq!(advised(&mut ladder, start, Duration::ZERO, 3), [Advice::Wait, Advice::Wait, step]);
    }

    #[test]
    fn failures_far_apart_are_no_wedge() {
        let mut ladder = Ladder::new(true);
        assert_eq!(advised(&mut ladder, Instant::now(), 6 * MINUTE, 20), [Advice::Wait; 20]);
    }
}
