//! The loop: what is waiting, batch after batch, kind after kind.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batching::{Bounds, Cut, CutError, Next, cut};
use super::status::{HoldReason, UploadState, UploadStatus};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::cloud::{Api, CloudError, Upload};
use crate::measurement::{Kind, UtcMicros};
use crate::outbox::{Backlog, Batch, DeadLetter, NewBatch, Outbox, OutboxError, Receipt, Sink};
use crate::wire::bridge::Seq;

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
/// Blocks refused one after the other, without one that was taken, before we take the fault to be the cloud's.
const REFUSED_IN_A_ROW: u32 = 3;

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

    /// One batch of one kind: the one that is open, or the next.
    async fn step(&mut self, backlog: &Backlog) -> Result<Step, Stop> {
        let open = self.outbox.open_batch(&self.config.sink, backlog.log, backlog.kind).await?;
        let bounds = match &open {
            Some(batch) => Bounds::of(batch),
            None => Bounds {
                log: backlog.log,
                kind: backlog.kind,
                first: backlog.unsent_from,
                last: Seq(u32::MAX),
                max_samples: self.config.max_samples,
                horizon: None,
            },
        };
        match cut(&self.outbox, bounds).await.map_err(uncut(backlog.kind))? {
            Next::Ready(cut) => self.send(backlog, open, *cut).await,
            Next::Hopeless { seq, reason } => {
                let batch =
                    self.write_down(backlog, open, &one_block(&self.config.sink, backlog, seq)).await?;
                self.put_aside(&batch, DeadLetter { reason, status: None, response: None }).await
            }
            Next::Undated | Next::Nothing => Ok(Step::Done),
        }
    }

    /// Writes the batch down unless it is, sends it, and stores what came of it.
    async fn send(&mut self, backlog: &Backlog, open: Option<Batch>, cut: Cut) -> Result<Step, Stop> {
        let new = NewBatch {
            sink: self.config.sink.clone(),
            log: backlog.log,
            kind: backlog.kind,
            first: cut.first,
            last: cut.last,
            anchor_horizon: cut.horizon,
            rows: cut.table.rows,
            csv_sha256: cut.table.csv_sha256,
        };
        let batch = self.write_down(backlog, open, &new).await?;
        self.show(UploadState::Uploading { kind: batch.kind, rows: batch.rows });
        let (csv_bytes, zip_bytes) = (cut.table.csv_bytes, cut.table.zip.len() as u64);
        let upload = Upload {
            kind: batch.kind,
            file_name: format!("{}-{}.zip", batch.kind, batch.idempotency_key),
            zip: cut.table.zip.into(),
            idempotency_key: batch.idempotency_key.to_string(),
        };
        match self.api.upload(upload).await {
            Ok(receipt) => {
                let receipt = Receipt { status: receipt.status, body: receipt.body, zip_bytes };
                self.outbox.settle(batch.key, receipt).await?;
                self.backoff.succeeded();
                self.refused_in_a_row = 0;
                let now = self.clock.now();
                self.status.send_modify(|status| {
                    status.last_receipt = Some(now);
                    status.batches += 1;
                    status.rows += u64::from(batch.rows);
                    status.folded += cut.folded;
                    status.csv_bytes += csv_bytes;
                    status.zip_bytes += zip_bytes;
                });
                tracing::info!(
                    kind = %batch.kind, rows = batch.rows, zip_bytes, "The cloud confirmed a batch."
                );
                Ok(Step::Moved)
            }
            Err(error) => {
                self.outbox.note_attempt(batch.key, error.to_string()).await?;
                self.refused(backlog, batch, cut.blocks, &error).await
            }
        }
    }

    /// The batch on record for this table: the open one if it is the same, else a new one in its place.
    async fn write_down(
        &self,
        backlog: &Backlog,
        open: Option<Batch>,
        new: &NewBatch,
    ) -> Result<Batch, Stop> {
        debug_assert_eq!(backlog.log, new.log);
        let Some(open) = open else { return Ok(self.outbox.persist_batch(new.clone()).await?) };
        if open.csv_sha256 == new.csv_sha256 && (open.first, open.last) == (new.first, new.last) {
            return Ok(open);
        }
        // Another table must not go out under the old key (a block became unreadable, or an update writes rows anew).
        tracing::warn!(kind = %open.kind, batch = %open.key, "A batch makes another table than before; it gets a new key.");
        Ok(self.outbox.recut(open.key, new.clone()).await?)
    }

    /// Decides what a failed upload means.
    async fn refused(
        &mut self,
        backlog: &Backlog,
        batch: Batch,
        blocks: usize,
        error: &CloudError,
    ) -> Result<Step, Stop> {
        let too_large = error.is_too_large();
        if !too_large && !error.is_rejected() {
            return Err(Stop::Hold(self.hold_for(error)));
        }
        if self.refused_in_a_row >= REFUSED_IN_A_ROW {
            // Whatever we send is refused: that is no poison sample. Nothing is emptied into the dead letters.
            return Err(Stop::Hold(Hold {
                reason: HoldReason::Refused { detail: error.to_string() },
                wait: RETRY_CEILING,
            }));
        }
        if blocks > 1 {
            return self.halve(backlog, &batch, blocks).await;
        }
        self.refused_in_a_row += 1;
        let letter = DeadLetter {
            reason: if too_large { "too large for the cloud".into() } else { "refused by the cloud".into() },
            status: error.status(),
            response: Some(error.to_string()),
        };
        self.put_aside(&batch, letter).await
    }

    /// Replaces the batch by its first half.
    async fn halve(&self, backlog: &Backlog, batch: &Batch, blocks: usize) -> Result<Step, Stop> {
        let half = (blocks / 2).max(1);
        let stream = batch.stream();
        let limit = u32::try_from(half).unwrap_or(u32::MAX);
        let kept = self.outbox.blocks(batch.log, stream, batch.first..=batch.last, limit).await?;
        let last = kept.last().map_or(batch.first, |block| block.seq);
        let bounds = Bounds { last, ..Bounds::of(batch) };
        let kind = batch.kind;
        let next = cut(&self.outbox, bounds).await.map_err(uncut(kind))?;
        let Next::Ready(cut) = next else { return Ok(Step::Moved) };
        let smaller = NewBatch {
            sink: batch.sink.clone(),
            log: backlog.log,
            kind,
            first: cut.first,
            last: cut.last,
            anchor_horizon: cut.horizon,
            rows: cut.table.rows,
            csv_sha256: cut.table.csv_sha256,
        };
        self.outbox.recut(batch.key, smaller).await?;
        tracing::info!(%kind, blocks = half, "The cloud refused a batch; half of it is tried.");
        Ok(Step::Moved)
    }

    async fn put_aside(&self, batch: &Batch, letter: DeadLetter) -> Result<Step, Stop> {
        tracing::error!(kind = %batch.kind, from = %batch.first, to = %batch.last, reason = %letter.reason, "Blocks became dead letters.");
        let blocks = self.outbox.dead_letter(batch.key, letter).await?;
        self.status.send_modify(|status| status.dead += blocks);
        Ok(Step::Moved)
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
        let known = matches!(&self.status.borrow().state, UploadState::Holding { reason, .. } if *reason == hold.reason);
        if !known {
            tracing::warn!(reason = ?hold.reason, %until, "Uploading waits; collecting goes on.");
        }
        self.show(UploadState::Holding { reason: hold.reason, until });
        hold.wait
    }

    fn show(&self, state: UploadState) {
        self.status.send_modify(|status| status.state = state);
    }
}

/// A batch of the one block that cannot become rows: it has none.
fn one_block(sink: &Sink, backlog: &Backlog, seq: Seq) -> NewBatch {
    NewBatch {
        sink: sink.clone(),
        log: backlog.log,
        kind: backlog.kind,
        first: seq,
        last: seq,
        anchor_horizon: None,
        rows: 0,
        csv_sha256: [0; 32],
    }
}

async fn sleep_or_forever(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
