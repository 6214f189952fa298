//! What to do with a batch that the cloud does not take.
//!
//! A batch that is too large or refused is halved until one block is left. Whether that block is at fault, or the cloud (or
//! what we make of every block), shows when the newest block of the kind is sent beside it: only if the cloud takes that one
//! is the refused one put aside. Otherwise the kind waits, whole, while other kinds go on.

use tokio::time::Instant;
use uuid::Uuid;

use super::{RETRY_CEILING, Refused, Step, Stop, Uploader, uncut};
use crate::outbox::{Backlog, Batch, DeadLetter, NewBatch};
use crate::upload::batching::{Bounds, Next, cut};
use crate::upload::receiver::{Failure, Parcel, Receiver, Verdict};
use crate::wire::bridge::Seq;

impl<R: Receiver> Uploader<R> {
    /// Decides what a failed upload means.
    pub(super) async fn not_taken(
        &mut self,
        backlog: &Backlog,
        batch: &Batch,
        blocks: usize,
        failure: Failure,
    ) -> Result<Step, Stop> {
        if failure.verdict == Verdict::KeyReused && batch.attempts > 0 {
            return self.renew_key(batch).await;
        }
        if !failure.is_about_the_parcel() {
            return Err(Stop::Hold(self.hold_for(failure)));
        }
        let too_large = failure.verdict == Verdict::TooLarge;
        if blocks > 1 {
            if too_large {
                self.limits.insert(batch.kind, u64::from(batch.samples / 2).max(1));
            }
            return self.halve(batch, blocks).await;
        }
        if !self.takes_another(backlog, batch).await? {
            return Ok(self.set_back(batch, &failure));
        }
        let letter = DeadLetter {
            reason: if too_large { "too large for the cloud".into() } else { "refused by the cloud".into() },
            status: failure.status,
            response: Some(failure.detail),
        };
        self.put_aside(batch, letter).await
    }

    /// Whether the cloud takes the newest block of the kind at this very moment.
    ///
    /// This is a question, not a delivery, and the ledger knows nothing of it: the block comes again in a batch of its own
    /// when its turn comes, and the cloud keeps one row a second.
    async fn takes_another(&mut self, backlog: &Backlog, batch: &Batch) -> Result<bool, Stop> {
        let &Batch { log, kind, last, .. } = batch;
        let newest = self.outbox.block_before(log, batch.stream(), Seq(u32::MAX)).await?;
        let Some(newest) = newest.map(|block| block.seq).filter(|newest| *newest > last) else {
            return Ok(false);
        };
        let bounds = Bounds { log, kind, first: newest, last: newest, max_samples: u64::MAX, horizon: None };
        let next = cut(&self.outbox, &self.config.sink, bounds).await.map_err(uncut(kind))?;
        let Next::Ready(cut) = next else { return Ok(false) };
        let Backlog { device, synthetic, .. } = *backlog;
        let parcel = Parcel { device, synthetic, key: Uuid::new_v4(), table: cut.table };
        match self.receiver.deliver(&parcel).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_about_the_parcel() => Ok(false),
            Err(failure) => Err(Stop::Hold(self.hold_for(failure))),
        }
    }

    /// Gives the same rows a new key. An earlier attempt was stored under the old one, zipped otherwise (by the nowbridge
    /// before an update, say); as the cloud keeps one row a second, storing them again does no harm.
    async fn renew_key(&self, batch: &Batch) -> Result<Step, Stop> {
        let again = NewBatch {
            sink: batch.sink.clone(),
            log: batch.log,
            kind: batch.kind,
            first: batch.first,
            last: batch.last,
            anchor_horizon: batch.anchor_horizon,
            rows: batch.rows,
            csv_sha256: batch.csv_sha256,
        };
        let renewed = self.outbox.recut(batch.key, again).await?;
        tracing::info!(kind = %batch.kind, key = %renewed.idempotency_key, "A batch gets a new key; the cloud knows the old one with other bytes.");
        Ok(Step::Moved)
    }

    /// Lets the kind wait: nothing of it is taken, so nothing of it is put aside.
    fn set_back(&mut self, batch: &Batch, failure: &Failure) -> Step {
        let detail = format!("{}: {failure}", batch.kind);
        let again = Instant::now() + RETRY_CEILING;
        // If size was the complaint, it was not the fault.
        self.limits.remove(&batch.kind);
        self.refused.insert((batch.log, batch.kind), Refused { detail, again });
        Step::Refused
    }

    /// Replaces the batch by its first half.
    async fn halve(&self, batch: &Batch, blocks: usize) -> Result<Step, Stop> {
        let half = (blocks / 2).max(1);
        let stream = batch.stream();
        let limit = u32::try_from(half).unwrap_or(u32::MAX);
        let kept = self.outbox.blocks(batch.log, stream, batch.first..=batch.last, limit).await?;
        let last = kept.last().map_or(batch.first, |block| block.seq);
        let bounds = Bounds { last, ..Bounds::of(batch) };
        let kind = batch.kind;
        let next = cut(&self.outbox, &self.config.sink, bounds).await.map_err(uncut(kind))?;
        let Next::Ready(cut) = next else { return Ok(Step::Moved) };
        self.outbox.recut(batch.key, cut.batch(&batch.sink, batch.log)).await?;
        tracing::info!(%kind, blocks = half, "The cloud refused a batch; half of it is tried.");
        Ok(Step::Moved)
    }

    pub(super) async fn put_aside(&mut self, batch: &Batch, letter: DeadLetter) -> Result<Step, Stop> {
        tracing::error!(kind = %batch.kind, from = %batch.first, to = %batch.last, reason = %letter.reason, "Blocks became dead letters.");
        let blocks = self.outbox.dead_letter(batch.key, letter).await?;
        self.refused.remove(&(batch.log, batch.kind));
        self.status.send_modify(|status| status.dead += blocks);
        Ok(Step::Moved)
    }
}
