//! A watch with a log: sessions, and the time between them.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::failure::Failure;
use super::gates::Obstacle;
use super::liveness::{CHECK_EVERY, check};
use super::visit::{Ending, close, end_of};
use super::{Central, Mode, Watcher};
use crate::radio::Link;
use crate::sync::slots::Slot;
use crate::sync::{Outcome, Progress, SessionReport, WatchState, collect};
use crate::watch::{Bridge, Driver};

/// A session that has to end waits so long for its next commit. What is not committed is still on the watch, but was sent in vain.
const LAST_COMMIT: Duration = Duration::from_millis(800);

impl<C: Central> Watcher<C> {
    /// Sessions for as long as the link lasts and is ours. Closes it.
    pub(super) async fn collect_from(&mut self, mut bridge: Bridge<C::Link>, slot: &Slot) -> Ending {
        let mut used = false;
        let ending = loop {
            if let Err(ending) = self.meet(&mut bridge, used).await {
                break ending;
            }
            used = true;
            let Some(report) = self.session(&mut bridge).await else { break Ending::Obstructed };
            if let Some(failure) = self.failure_of(&report, &bridge).await {
                break failure.into();
            }
            if self.config.mode == Mode::Release {
                break Ending::Done { due: Instant::now() + self.config.every };
            }
            if let Some(ending) = self.idle(&mut bridge, slot).await {
                break ending;
            }
        };
        close(bridge).await;
        ending
    }

    /// A session, shown as it goes on. `None` if it had to be broken off.
    async fn session(&mut self, bridge: &mut Bridge<C::Link>) -> Option<SessionReport> {
        // Whoever asked for a session until now gets this one.
        let _ = self.sync_now.notified().now_or_never();
        let (progress, mut seen) = watch::channel(Progress::default());
        self.board.show(WatchState::Syncing(Progress::default()));
        let mut leave: Option<Instant> = None;
        let session = collect(bridge, &self.outbox, self.clock, &progress);
        tokio::pin!(session);
        let report = loop {
            tokio::select! {
                biased;
                report = &mut session => break Some(report),
                // Said after each commit: nothing that came is held back then.
                Ok(()) = seen.changed() => {
                    self.board.show(WatchState::Syncing(*seen.borrow_and_update()));
                    self.arrivals.notify_one();
                    if leave.is_some() {
                        break None;
                    }
                }
                obstacle = self.gates.urgently_shut(), if leave.is_none() => {
                    leave = Some(Instant::now() + moment(&obstacle));
                }
                () = sleep_until(leave.unwrap_or_else(Instant::now)), if leave.is_some() => break None,
            }
        };
        self.arrivals.notify_one();
        if let Some(report) = &report {
            self.board.session(report);
        }
        report
    }

    /// What the end of a session means for the next.
    async fn failure_of(&mut self, report: &SessionReport, bridge: &Bridge<C::Link>) -> Option<Failure> {
        if report.outcome == Outcome::Complete {
            self.policy.completed();
            self.shared.recovery.succeeded();
            return None;
        }
        if report.new > 0 {
            self.policy.was_of_use();
        }
        let failure = Failure::of_session(report, end_of(bridge.link()).await);
        if report.new > 0 || !failure.as_ref().is_some_and(Failure::may_be_the_radio) {
            self.shared.recovery.succeeded();
        }
        failure
    }

    /// The time between two sessions. `None`: the next is due.
    async fn idle(&mut self, bridge: &mut Bridge<C::Link>, slot: &Slot) -> Option<Ending> {
        self.board.show(WatchState::Connected { next_sync: self.in_future(self.config.every) });
        let due = Instant::now() + self.config.every;
        loop {
            tokio::select! {
                biased;
                _ = self.gates.shut() => return Some(Ending::Obstructed),
                closed = bridge.link().closed() => return Some(Failure::of_closed(closed, true).into()),
                () = self.sync_now.notified() => return None,
                () = sleep_until(due) => return None,
                // Everything is fetched: until the next session another watch may have the link.
                () = slot.wanted() => return Some(Ending::Done { due }),
                () = sleep(CHECK_EVERY) => {}
            }
            let checked = tokio::select! {
                biased;
                _ = self.gates.shut() => return Some(Ending::Obstructed),
                checked = check(bridge) => checked,
            };
            if let Err(failure) = checked {
                return Some(failure.into());
            }
        }
    }
}

/// How long a session may take to end.
const fn moment(obstacle: &Obstacle) -> Duration {
    if obstacle.leaves_a_moment() { LAST_COMMIT } else { Duration::ZERO }
}
