//! Looks after this computer's clock: whether it can be believed, and whether somebody has set it.
//!
//! Sessions look for themselves before they date anything. This loop is for the time between them: a clock that is right at last must
//! not wait for the next session, and one that was set is told of at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Trust};
use crate::outbox::{ClockStep, Outbox, OutboxError};

/// How often a clock that is synchronised is looked at.
const WHILE_RIGHT: Duration = Duration::from_mins(1);
/// How often it is asked whether one is right at last that is not believed.
const WHILE_IN_DOUBT: Duration = Duration::from_secs(20);
/// How often it is asked where nobody has known so far: to ask starts a process.
const WHILE_UNKNOWN: Duration = Duration::from_mins(15);

/// What is known of this computer's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// Whether it is believed. While it is not, measurements are collected, and dated and sent later.
    pub trust: Trust,
    /// The last time that it was set, if it was since this process began.
    pub step: Option<ClockStep>,
}

/// The loop.
pub struct Timekeeper<W> {
    clock: Clock,
    outbox: Outbox,
    status: watch::Sender<ClockStatus>,
    wake: W,
    asked: Option<Instant>,
}

impl<W: Fn() + Send> Timekeeper<W> {
    /// A loop that is not running yet; it calls `wake` when there is something to date that could not be dated before.
    pub const fn new(clock: Clock, outbox: Outbox, status: watch::Sender<ClockStatus>, wake: W) -> Self {
        Self { clock, outbox, status, wake, asked: None }
    }

    /// Runs until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let wait = tokio::select! {
                () = cancel.cancelled() => return,
                wait = self.look() => wait,
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One look. When the next is due.
    async fn look(&mut self) -> Duration {
        let before = *self.status.borrow();
        let step = self.notice(before.step).await;
        let was_set = step.is_some();
        if was_set || self.is_to_ask(before.trust) {
            self.clock.ask(was_set).await;
            self.asked = Some(Instant::now());
        }
        let trust = self.clock.trust();
        let now = ClockStatus { trust, step: step.or(before.step) };
        self.status.send_if_modified(|status| std::mem::replace(status, now) != now);
        if trust != before.trust && !trust.is_believed() {
            tracing::warn!(reason = %trust, "Measurements are collected and wait for a time.");
        }
        if trust.is_believed() && (was_set || !before.trust.is_believed()) {
            tracing::info!(reason = %trust, "Clocks are compared anew.");
            (self.wake)();
        }
        if trust.is_believed() { WHILE_RIGHT } else { WHILE_IN_DOUBT }
    }

    fn is_to_ask(&self, trust: Trust) -> bool {
        match trust {
            Trust::Synchronised => false,
            Trust::Unknown => self.asked.is_none_or(|asked| asked.elapsed() >= WHILE_UNKNOWN),
            Trust::Unsynchronised | Trust::BeforeItsTime => true,
        }
    }

    /// Whether the clock was set since the last look, here or in a session.
    async fn notice(&self, known: Option<ClockStep>) -> Option<ClockStep> {
        match self.outbox.notice_clock().await {
            Ok(_) => self.outbox.last_clock_step().filter(|step| Some(*step) != known),
            Err(OutboxError::Closed) => None,
            Err(error) => {
                tracing::warn!(%error, "It cannot be put right now what a wrong clock has dated; it is tried again.");
                None
            }
        }
    }
}
