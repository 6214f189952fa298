//! The loop: what is waiting, batch after batch, kind after kind.

mod delivery;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batching::CutError;
use super::status::{HoldReason, UploadState, UploadStatus};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::cloud::{Api, CloudError};
use crate::measurement::{Kind, UtcMicros};
use crate::outbox::{Outbox, OutboxError, Sink};

/// The first wait after a failure.
const RETRY_FLOOR: Duration = Duration::from_secs(2);
/// The longest wait.
const RETRY_CEILING: Duration = Duration::from_mins(15);
/// How often something that needs a person is looked at again.
const PROBE: Duration = Duration::from_mins(5);
/// How often we look whether somebody has logged in: a look at the token file, no call to the cloud.
const LOGIN_PROBE: Duration = Duration::from_secs(5);
/// How long a full or locked disk is left alone.
const OUTBOX_RETRY: Duration = Duration::from_secs(30);

/// How uploading is to be done.
#[derive(Clone, Debug)]
pub struct UploaderConfig {
    /// Where to, as the ledger names it.
    pub sink: Sink,
    /// Samples in a batch at most.
    pub max_samples: u64,
    /// How long an account's consent is taken for granted.
    pub consent_check_every: Duration,
    /// Whether the cloud is on this computer: only there may simulated data go.
    pub loopback: bool,
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

/// The upload loop of one cloud.
pub struct Uploader<A> {
    api: A,
    config: UploaderConfig,
    outbox: Outbox,
    clock: Clock,
    status: watch::Sender<UploadStatus>,
    arrivals: Arc<Notify>,
    backoff: Backoff,
    consent_until: Option<Instant>,
    refused_in_a_row: u32,
}

/// Why the loop stops sending for a while.
struct Hold {
    reason: HoldReason,
    wait: Duration,
}

/// What came of one step.
enum Step {
    /// A batch is settled or put aside: look again.
    Moved,
    /// Nothing of this kind can be sent now.
    Done,
}

enum Stop {
    Hold(Hold),
    Failed(UploadError),
}

impl From<OutboxError> for Stop {
    fn from(error: OutboxError) -> Self {
        if error.is_transient() {
            let reason = HoldReason::Outbox { detail: error.to_string() };
            Self::Hold(Hold { reason, wait: OUTBOX_RETRY })
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

impl<A: Api> Uploader<A> {
    /// A loop that is not running yet; it tells what it is doing through `status` and wakes when told of `arrivals`.
    pub fn new(
        api: A,
        config: UploaderConfig,
        outbox: Outbox,
        clock: Clock,
        status: watch::Sender<UploadStatus>,
        arrivals: Arc<Notify>,
    ) -> Self {
        let backoff = Backoff::new(RETRY_FLOOR, RETRY_CEILING, fastrand::Rng::with_seed(config.seed));
        Self {
            api,
            config,
            outbox,
            clock,
            status,
            arrivals,
            backoff,
            consent_until: None,
            refused_in_a_row: 0,
        }
    }

    /// Runs until cancelled, or until the outbox fails for good.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), UploadError> {
        loop {
            let drained = tokio::select! {
                () = cancel.cancelled() => break,
                drained = self.drain() => drained,
            };
            let wait = match drained {
                Ok(()) => {
                    self.show(UploadState::Idle);
                    None
                }
                Err(Stop::Hold(hold)) => Some(self.hold(hold)),
                Err(Stop::Failed(error)) => return Err(error),
            };
            tokio::select! {
                () = cancel.cancelled() => break,
                // New data end an idle spell, never a wait that the cloud has earned.
                () = self.arrivals.notified(), if wait.is_none() => {}
                () = sleep_or_forever(wait) => {}
            }
        }
        self.show(UploadState::Stopped);
        Ok(())
    }

    /// Sends everything that can be sent now.
    async fn drain(&mut self) -> Result<(), Stop> {
        loop {
            let mut moved = false;
            let (mut synthetic, mut undated) = (0, 0);
            for backlog in self.outbox.backlog(&self.config.sink).await? {
                if backlog.synthetic && !self.config.loopback {
                    synthetic += backlog.samples;
                    continue;
                }
                self.check_consent().await?;
                match self.step(&backlog).await? {
                    Step::Moved => moved = true,
                    Step::Done => undated += backlog.samples,
                }
            }
            self.status.send_modify(|status| {
                status.held_synthetic = synthetic;
                status.held_undated = undated;
            });
            if !moved {
                return Ok(());
            }
        }
    }

    /// Asks the account's consent if the last answer is too old.
    async fn check_consent(&mut self) -> Result<(), Stop> {
        if self.consent_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        match self.api.settings().await {
            Ok(settings) if settings.allows_upload() => {
                self.consent_until = Some(Instant::now() + self.config.consent_check_every);
                Ok(())
            }
            Ok(_) => Err(Stop::Hold(Hold { reason: HoldReason::NoConsent, wait: PROBE })),
            Err(error) => Err(Stop::Hold(self.hold_for(&error))),
        }
    }

    /// How long a failure of the cloud keeps us waiting, and what to call it.
    fn hold_for(&mut self, error: &CloudError) -> Hold {
        let detail = error.to_string();
        if error.needs_login() {
            return Hold { reason: HoldReason::NeedsLogin { detail }, wait: LOGIN_PROBE };
        }
        let wait = self.backoff.failed(error.retry_after().unwrap_or_default());
        let reason = HoldReason::Unavailable { detail, failures: self.backoff.failures() };
        // What will not mend itself is asked seldom; what may, soon.
        Hold { reason, wait: if error.is_transient() { wait } else { wait.max(PROBE) } }
    }

    fn hold(&self, hold: Hold) -> Duration {
        let wait = i64::try_from(hold.wait.as_micros()).unwrap_or(i64::MAX / 4);
        let until = UtcMicros(self.clock.now().0.saturating_add(wait));
        let is_known = |state: &UploadState| matches!(state, UploadState::Holding { reason, .. } if *reason == hold.reason);
        if !is_known(&self.status.borrow().state) {
            tracing::warn!(reason = ?hold.reason, %until, "Uploading waits; collecting goes on.");
        }
        self.show(UploadState::Holding { reason: hold.reason, until });
        hold.wait
    }

    fn show(&self, state: UploadState) {
        self.status.send_modify(|status| status.state = state);
    }
}

async fn sleep_or_forever(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
