//! The loop that looks after one watch: reach it, collect, wait, again. It never gives up, never storms, and always says why.
//!
//! Each round begins with what stands in the way ([`gates`]): somebody's wish to have the watch left alone, a radio that is not
//! ready, quiet hours. Then the wait that the last failure calls for ([`policy`]), then the watch's turn among the others
//! ([`super::Slots`]), then a visit to the watch ([`visit`]), which ends as a [`failure::Failure`] or in order.
//!
//! Of the time it takes to come back: whatever ends a radio's trouble, a hold or quiet hours is followed by an attempt at once. A
//! watch that went away is looked for every 2 to 8 seconds for ten minutes, then about once a minute; an attempt itself listens
//! for many seconds, so that most of the time somebody listens. Where more watches want a link than there may be, a watch that comes
//! back waits for its turn.

mod board;
mod collecting;
mod failure;
mod gates;
mod listening;
mod liveness;
mod parts;
mod policy;
mod visit;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::failure::Failure;
use self::gates::Gates;
pub use self::parts::{Mode, Shared, WatcherConfig, WatcherSignals};
use self::policy::{Class, Policy};
use self::visit::Ending;
use super::slots::Turn;
use super::{Kept, WaitReason, WatchState, WatchStatus};
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::outbox::Outbox;
use crate::radio::{Bond, CALL_DEADLINE, Central};

/// Links in a row that a bonded watch ends before they are of use, until the bond may be stale. A watch at the edge of range does the
/// same, so that it goes on being tried, and nobody is told to throw away a good bond.
const ABORTS_OF_A_DOUBTFUL_BOND: u32 = 3;

/// One watch's loop. It publishes what it is doing and wakes the uploader when something has arrived.
pub struct Watcher<C> {
    central: C,
    config: WatcherConfig,
    outbox: Outbox,
    clock: Clock,
    arrivals: Arc<Notify>,
    sync_now: Arc<Notify>,
    shared: Shared,
    board: Board,
    gates: Gates,
    policy: Policy,
    rest: Option<Rest>,
    /// Whether a live session runs.
    live: watch::Sender<bool>,
    cancel: CancellationToken,
}

/// A wait before the next visit.
#[derive(Debug)]
struct Rest {
    reason: WaitReason,
    /// Of what failed; `None`: nothing did.
    class: Option<Class>,
    due: Instant,
    until: UtcMicros,
}

impl<C: Central> Watcher<C> {
    /// A loop that is not running yet; it tells what it is doing through `status`.
    pub fn new(
        central: C,
        config: WatcherConfig,
        outbox: Outbox,
        clock: Clock,
        status: watch::Sender<WatchStatus>,
        signals: WatcherSignals,
        shared: Shared,
    ) -> Self {
        let WatcherSignals { arrivals, sync_now, hold, updating } = signals;
        let quiet = config.quiet.clone();
        let gates = Gates::new(hold.subscribe(), updating.subscribe(), central.state(), quiet, clock);
        let (board, policy) = (Board::new(status), Policy::new(config.seed));
        Self {
            central,
            config,
            outbox,
            clock,
            arrivals,
            sync_now,
            shared,
            board,
            gates,
            policy,
            rest: None,
            live: watch::Sender::new(false),
            cancel: CancellationToken::new(),
        }
    }

    /// Runs until cancelled. What a cancelled session had not committed is still on the watch; a live session, whose device keeps
    /// nothing, commits first, and what it leaves has a last chance.
    pub async fn run(mut self, cancel: CancellationToken) {
        self.cancel = cancel.clone();
        let mut live = self.live.subscribe();
        let mut kept = Kept::new(self.outbox.clone(), self.clock);
        {
            let work = self.look_after(&mut kept);
            tokio::pin!(work);
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                never = &mut work => match never {},
            }
            tokio::select! {
                biased;
                _ = live.wait_for(|live| !live) => {}
                () = sleep(listening::LAST_COMMIT) => {}
                never = work => match never {},
            }
        }
        if kept.close(listening::LAST_CHANCE).await > 0 {
            tracing::error!(watch = %self.config.address, "Some of what this watch measured is lost; see above.");
        }
        self.arrivals.notify_one();
        self.board.show(WatchState::Stopped);
    }

    async fn look_after(&mut self, kept: &mut Kept) -> Infallible {
        loop {
            let arrivals = Arc::clone(&self.arrivals);
            let turn = tokio::select! {
                turn = self.turn() => turn,
                never = kept.keep_saving(&arrivals) => match never {},
            };
            let ending = self.visit(turn, kept).await;
            self.judge(ending).await;
        }
    }

    /// Waits until the watch may and should be visited.
    async fn turn(&mut self) -> Turn {
        loop {
            if self.gates.radio_returned() {
                self.radio_returned();
            }
            if let Some(obstacle) = self.gates.obstacle() {
                self.board.show(obstacle.clone().state());
                self.gates.moved(&obstacle).await;
                if !matches!(obstacle, gates::Obstacle::Radio(_)) {
                    self.rest = None;
                }
            } else if let Some(rest) = &self.rest {
                self.board.wait(&rest.reason, Some(rest.until));
                tokio::select! {
                    _ = self.gates.shut() => {}
                    () = self.gates.radio_moved() => {}
                    () = self.sync_now.notified() => self.rest = None,
                    () = sleep_until(rest.due) => self.rest = None,
                }
            } else {
                if !self.shared.slots.is_free() {
                    self.board.wait(&WaitReason::ItsTurn, None);
                }
                tokio::select! {
                    _ = self.gates.shut() => {}
                    turn = self.shared.slots.turn(self.patience()) => return turn,
                }
            }
        }
    }

    /// How long to wait for a link to become free before another watch is asked to give way: a watch that may well be away is no
    /// reason to disconnect one that is not, unless it would miss its session.
    fn patience(&self) -> Duration {
        if self.policy.is_looking() { self.config.every } else { Duration::ZERO }
    }

    /// Forgets what failed without the radio, and what was to happen while this computer slept.
    fn radio_returned(&mut self) {
        self.policy.radio_returned();
        let now = self.clock.now();
        self.rest.take_if(|rest| rest.until <= now || rest.class.is_some_and(|class| class != Class::Person));
    }

    /// Turns the end of a visit into a wait, and says why.
    async fn judge(&mut self, ending: Ending) {
        let mut failure = match ending {
            Ending::Obstructed | Ending::TurnOver => return,
            Ending::Done { due } => {
                let wait = due.saturating_duration_since(Instant::now());
                return self.rest(WaitReason::Scheduled, None, wait);
            }
            // Neither the watch nor the radio has done anything.
            Ending::Failed(failure @ Failure::OwnErrand(_)) => {
                let (class, failures) = (failure.class(), self.policy.failures());
                let wait = self.policy.wait(class);
                return self.rest(failure.reason(failures), Some(class), wait);
            }
            Ending::Failed(failure) => failure,
        };
        let aborts = self.policy.aborts(matches!(failure, Failure::Aborted(_)));
        if failure == Failure::PairingNeeded && self.is_bonded().await {
            failure = Failure::StaleBond;
        } else if aborts >= ABORTS_OF_A_DOUBTFUL_BOND && self.is_bonded().await {
            failure = Failure::BreaksOff(self.config.address.clone());
        }
        self.board.count(|counts| {
            counts.failures += u64::from(!matches!(failure.class(), Class::Away | Class::Radio));
            counts.ghosts += u64::from(matches!(failure, Failure::Ghost(_)));
            counts.strangers += u64::from(matches!(failure, Failure::Stranger { .. }));
        });
        let class = failure.class();
        let wait = self.policy.wait(class);
        let stuck = failure.may_be_the_radio()
            && self.shared.recovery.failed(&self.central, &self.config.address).await;
        let reason = match failure.reason(self.policy.failures()) {
            WaitReason::Failed { detail, failures } | WaitReason::BusyElsewhere { detail, failures }
                if stuck =>
            {
                WaitReason::RadioStuck { detail, failures }
            }
            reason => reason,
        };
        self.rest(reason, Some(class), wait);
    }

    fn rest(&mut self, reason: WaitReason, class: Option<Class>, wait: Duration) {
        tracing::debug!(watch = %self.config.address, ?reason, ?wait, "Waiting.");
        let (due, until) = (Instant::now() + wait, self.in_future(wait));
        self.rest = Some(Rest { reason, class, due, until });
    }

    /// Whether this host thinks that it is paired with the watch, as far as that can be found out.
    async fn is_bonded(&self) -> bool {
        let bond = timeout(CALL_DEADLINE, self.central.bond(&self.config.address)).await;
        matches!(bond, Ok(Ok(Bond::Bonded)))
    }

    fn in_future(&self, wait: Duration) -> UtcMicros {
        let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX / 4);
        UtcMicros(self.clock.now().0.saturating_add(wait))
    }
}
