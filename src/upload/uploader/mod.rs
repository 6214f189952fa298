//! The loop: what is waiting, batch after batch, kind after kind.

mod delivery;
mod lane;
mod refusal;
mod release;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batching::CutError;
use super::receiver::{Failure, Receiver, Verdict};
use super::status::{HoldReason, UploadState, UploadStatus};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::measurement::{Kind, UtcMicros};
use crate::outbox::{AnchorKey, BatchState, LogKey, Outbox, OutboxError, QuarantineKey, SinkName, Span};
use lane::{Lane, LaneKey};
use told::Told;

/// The first wait after a failure.
const RETRY_FLOOR: Duration = Duration::from_secs(2);
/// The longest wait.
const RETRY_CEILING: Duration = Duration::from_mins(15);
/// How often something that needs a person is looked at again.
const PROBE: Duration = Duration::from_mins(5);
/// How often somebody may have logged in: to look costs no request.
const LOGIN_PROBE: Duration = Duration::from_secs(15);
/// How often what arrives ends the wait of a kind of which the cloud takes nothing.
const EAGER_ROUNDS: usize = 4;
/// How long a full or locked disk is left alone.
const OUTBOX_RETRY: Duration = Duration::from_secs(30);

/// How uploading is to be done.
#[derive(Clone, Debug)]
pub struct UploaderConfig {
    /// Where to, as the ledger names it.
    pub sink: SinkName,
    /// Samples in a batch at most.
    pub max_samples: u64,
    /// Whether simulated data may go there: only if it stays on this computer.
    pub takes_synthetic: bool,
    /// Seed of the jitter.
    pub seed: u64,
}

/// A failure that ends the loop; the supervisor starts it again.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The store.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// A batch could not be made.
    #[error("a batch of {kind} could not be made: {source}")]
    Cut {
        /// The kind.
        kind: Kind,
        /// Why.
        source: CutError,
    },
}

/// The upload loop of one sink.
pub struct Uploader<R> {
    receiver: R,
    config: UploaderConfig,
    outbox: Outbox,
    clock: Clock,
    status: watch::Sender<UploadStatus>,
    arrivals: Arc<Notify>,
    clock_set: Arc<Notify>,
    backoff: Backoff,
    refused: BTreeMap<LaneKey, Refused>,
    /// So many samples from the next one on hold something that is refused.
    suspects: BTreeMap<LaneKey, u64>,
    /// After a dead letter batches begin small and double: where one sample is refused, so may be the next ones.
    paces: BTreeMap<LaneKey, u64>,
    /// The last that was taken of a kind.
    taken: BTreeMap<(LogKey, Kind), Span>,
    /// What a batch of a kind may hold at most, where the receiver found one too large.
    limits: BTreeMap<Kind, u64>,
    /// Up to which anchor it is known that a run in quarantine has no date.
    looked: BTreeMap<QuarantineKey, Option<AnchorKey>>,
    told: Told,
}

/// A kind of a log of which the cloud takes nothing.
struct Refused {
    /// What it said.
    detail: String,
    /// When it is tried again.
    again: Instant,
    /// Samples that waited when it was tried: another one may show that the cloud is not at fault.
    samples: u64,
    /// How often it was tried.
    rounds: usize,
    /// When it was refused first.
    since: UtcMicros,
}

/// Why the loop stops sending for a while.
struct Hold {
    reason: HoldReason,
    wait: Duration,
    /// Since when, if that is not the moment in which everything stopped.
    since: Option<UtcMicros>,
}

/// What ends a wait before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wakes {
    Nothing,
    Arrivals,
    Clock,
}

/// What came of one step.
enum Step {
    /// A batch is settled, cut anew or put aside: look again.
    Moved,
    /// Nothing of this kind has a date yet.
    Undated,
    /// The cloud takes nothing of this kind.
    Refused,
}

enum Stop {
    Hold(Hold),
    Failed(UploadError),
}

impl From<OutboxError> for Stop {
    fn from(error: OutboxError) -> Self {
        if error.is_transient() {
            let reason = HoldReason::Outbox { detail: error.to_string() };
            Self::Hold(Hold { reason, wait: OUTBOX_RETRY, since: None })
        } else {
            Self::Failed(error.into())
        }
    }
}

/// A batch of `kind` that could not be cut.
fn uncut(kind: Kind) -> impl Fn(CutError) -> Stop {
    move |error| match error {
        CutError::Outbox(error) => error.into(),
        source => Stop::Failed(UploadError::Cut { kind, source }),
    }
}

impl<R: Receiver> Uploader<R> {
    /// A loop that is not running yet; it tells what it is doing through `status` and wakes when told of `arrivals`.
    pub fn new(
        receiver: R,
        config: UploaderConfig,
        outbox: Outbox,
        clock: Clock,
        status: watch::Sender<UploadStatus>,
        arrivals: Arc<Notify>,
    ) -> Self {
        let backoff = Backoff::new(RETRY_FLOOR, RETRY_CEILING, fastrand::Rng::with_seed(config.seed));
        Self {
            receiver,
            config,
            outbox,
            clock,
            status,
            arrivals,
            clock_set: Arc::default(),
            backoff,
            refused: BTreeMap::new(),
            suspects: BTreeMap::new(),
            paces: BTreeMap::new(),
            taken: BTreeMap::new(),
            limits: BTreeMap::new(),
            looked: BTreeMap::new(),
            told: Told::default(),
        }
    }

    /// Tries again at once when told that this computer's clock was put right, if that was what stood in the way.
    #[must_use]
    pub fn waking_on(self, clock_set: Arc<Notify>) -> Self {
        Self { clock_set, ..self }
    }

    /// Runs until cancelled, or until the outbox fails for good.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), UploadError> {
        loop {
            let drained = tokio::select! {
                () = cancel.cancelled() => break,
                drained = self.drain() => drained,
            };
            let (wait, wakes) = match drained {
                Ok(None) => {
                    self.show(UploadState::Idle);
                    (None, Wakes::Arrivals)
                }
                // Some kinds wait, but new data of the others need not.
                Ok(Some(hold)) => (Some(self.hold(hold)), Wakes::Arrivals),
                // New data end an idle spell, never a wait that the cloud has earned.
                Err(Stop::Hold(hold)) => {
                    let is_clock = matches!(hold.reason, HoldReason::WrongClock { .. });
                    (Some(self.hold(hold)), if is_clock { Wakes::Clock } else { Wakes::Nothing })
                }
                Err(Stop::Failed(error)) => return Err(error),
            };
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.arrivals.notified(), if wakes == Wakes::Arrivals => {}
                () = self.clock_set.notified(), if wakes == Wakes::Clock => self.backoff.succeeded(),
                () = sleep_or_forever(wait) => {}
            }
        }
        self.show(UploadState::Stopped);
        Ok(())
    }

    /// Sends everything that can be sent now. What it leaves behind, if anything, is refused, kind by kind.
    async fn drain(&mut self) -> Result<Option<Hold>, Stop> {
        self.release().await?;
        loop {
            let mut moved = false;
            let (mut synthetic, mut undated) = (0, 0);
            for lane in self.waiting().await? {
                if lane.synthetic && !self.config.takes_synthetic {
                    synthetic += lane.samples;
                    continue;
                }
                if self.is_refused(&lane) {
                    continue;
                }
                let place = (lane.log, lane.kind);
                if self.outbox.is_taken(&self.config.sink, place, lane.errand_key()).await? {
                    continue;
                }
                self.check_admission().await?;
                let step = match self.step(&lane).await {
                    // What was on its way was evicted meanwhile.
                    Err(Stop::Failed(UploadError::Outbox(OutboxError::NotOpen {
                        state: BatchState::Recut,
                        ..
                    }))) => Step::Moved,
                    step => step?,
                };
                match step {
                    Step::Moved => moved = true,
                    Step::Undated => undated += lane.samples,
                    Step::Refused => {}
                }
            }
            if !moved {
                let held = self.outbox.quarantine().await?;
                let of_ours = held.iter().filter(|run| run.sink == self.config.sink);
                let quarantined = of_ours.map(|run| run.samples).sum();
                self.status.send_modify(|status| {
                    status.held_synthetic = synthetic;
                    status.held_undated = undated;
                    status.quarantined = quarantined;
                });
                return Ok(self.refusal());
            }
        }
    }

    /// What waits, longest waiting first, and the oldest errand of each kind of each log: a batch of each in turn, so that neither
    /// errands nor new data wait for the other. After a failure another one goes first: if one makes the cloud fail, the rest must
    /// not wait for it.
    async fn waiting(&self) -> Result<Vec<Lane>, OutboxError> {
        let backlog = self.outbox.backlog(&self.config.sink).await?;
        let mut waiting: Vec<Lane> = backlog.into_iter().map(Lane::from).collect();
        let mut seen = BTreeSet::new();
        let errands = self.outbox.errands(&self.config.sink).await?;
        let first = errands.into_iter().filter(|errand| seen.insert((errand.log, errand.kind)));
        waiting.extend(first.map(Lane::from));
        let turn = self.backoff.failures() as usize % waiting.len().max(1);
        waiting.rotate_left(turn);
        Ok(waiting)
    }

    fn is_refused(&self, lane: &Lane) -> bool {
        let is_over = |refused: &Refused| refused.rounds < EAGER_ROUNDS && lane.samples > refused.samples;
        let refused = self.refused.get(&lane.key());
        refused.is_some_and(|refused| Instant::now() < refused.again && !is_over(refused))
    }

    /// The refused kind that is tried again first.
    fn refusal(&self) -> Option<Hold> {
        let now = Instant::now();
        let waiting = self.refused.values().filter(|refused| now < refused.again);
        let Refused { detail, again, since, .. } = waiting.min_by_key(|refused| refused.again)?;
        let reason = HoldReason::Refused { detail: detail.clone() };
        Some(Hold { reason, wait: *again - now, since: Some(*since) })
    }

    /// Asks whether anything may come now.
    async fn check_admission(&mut self) -> Result<(), Stop> {
        let admitted = self.receiver.admits().await;
        admitted.map_err(|failure| Stop::Hold(self.hold_for(failure)))
    }

    /// How long a failure that is not about a parcel keeps us waiting, and what to call it.
    fn hold_for(&mut self, failure: Failure) -> Hold {
        let Failure { verdict, detail, retry_after, .. } = failure;
        let (reason, wait) = match verdict {
            Verdict::NeedsLogin => (HoldReason::NeedsLogin { detail }, LOGIN_PROBE),
            Verdict::NoConsent => (HoldReason::NoConsent, PROBE),
            verdict => {
                let wait = self.backoff.failed(retry_after.unwrap_or_default());
                let failures = self.backoff.failures();
                match verdict {
                    Verdict::Later => (HoldReason::Unavailable { detail, failures }, wait),
                    Verdict::WrongClock => (HoldReason::WrongClock { detail }, wait),
                    // What will not mend itself is asked seldom; what may, soon.
                    _ => (HoldReason::Misdirected { detail }, wait.max(PROBE)),
                }
            }
        };
        Hold { reason, wait, since: None }
    }

    fn hold(&mut self, hold: Hold) -> Duration {
        let wait = i64::try_from(hold.wait.as_micros()).unwrap_or(i64::MAX / 4);
        let until = UtcMicros(self.clock.now().0.saturating_add(wait));
        if self.told.is_hold_due(&hold.reason) {
            let sink = &self.config.sink;
            tracing::warn!(%sink, reason = ?hold.reason, %until, "Uploading waits; collecting goes on.");
        }
        self.show(UploadState::Holding { reason: hold.reason, until });
        if hold.since.is_some() {
            self.status.send_modify(|status| status.holding_since = hold.since);
        }
        hold.wait
    }

    fn show(&self, state: UploadState) {
        let now = self.clock.now();
        self.status.send_modify(|status| {
            status.holding_since = match &state {
                UploadState::Holding { .. } => status.holding_since.or(Some(now)),
                // It is being tried: whether that is the end of it shows.
                UploadState::Uploading { .. } => status.holding_since,
                UploadState::Idle | UploadState::Stopped => None,
            };
            status.state = state;
        });
    }
}

async fn sleep_or_forever(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_that_is_full_or_locked_is_waited_for_and_one_that_is_broken_is_not() {
        let dir = || "outbox".into();
        let source = || rusqlite::Error::InvalidQuery;
        for error in [
            OutboxError::DiskFull { dir: dir(), source: source() },
            OutboxError::Busy { dir: dir(), source: source() },
        ] {
            let Stop::Hold(hold) = uncut(Kind::HeartRate)(error.into()) else { panic!("it ends the loop") };
            assert!(matches!(hold.reason, HoldReason::Outbox { detail } if detail.contains("outbox")));
            assert_eq!(hold.wait, OUTBOX_RETRY);
        }
        assert!(matches!(Stop::from(OutboxError::Closed), Stop::Failed(_)));
    }
}
