//! One batch: made or found, written down, sent, and what came of it stored.

use super::{Step, Stop, Uploader, uncut};
use crate::outbox::{Backlog, Batch, DeadLetter, NewBatch, SinkName};
use crate::upload::batching::{Bounds, Cut, Next, cut};
use crate::upload::receiver::{Parcel, Receiver};
use crate::upload::status::UploadState;
use crate::wire::bridge::Seq;

impl<R: Receiver> Uploader<R> {
    /// One batch of one kind: the one that is open, or the next.
    pub(super) async fn step(&mut self, backlog: &Backlog) -> Result<Step, Stop> {
        let open = self.outbox.open_batch(&self.config.sink, backlog.log, backlog.kind).await?;
        let bounds = match &open {
            Some(batch) => Bounds::of(batch),
            None => Bounds {
                log: backlog.log,
                kind: backlog.kind,
                first: backlog.unsent_from,
                last: Seq(u32::MAX),
                max_samples: self.limits.get(&backlog.kind).copied().unwrap_or(self.config.max_samples),
                horizon: None,
            },
        };
        match cut(&self.outbox, &self.config.sink, bounds).await.map_err(uncut(backlog.kind))? {
            Next::Ready(cut) => self.send(backlog, open, *cut).await,
            Next::Hopeless { seq, reason } => {
                let batch = self.write_down(open, &one_block(&self.config.sink, backlog, seq)).await?;
                self.put_aside(&batch, DeadLetter { reason, status: None, response: None }).await
            }
            Next::Undated | Next::Nothing => Ok(Step::Undated),
        }
    }

    /// Writes the batch down unless it is, sends it, and stores what came of it.
    async fn send(&mut self, backlog: &Backlog, open: Option<Batch>, cut: Cut) -> Result<Step, Stop> {
        let new = cut.batch(&self.config.sink, backlog.log);
        let batch = self.write_down(open, &new).await?;
        self.show(UploadState::Uploading { kind: batch.kind, rows: batch.rows });
        let csv_bytes = cut.table.csv.len() as u64;
        let Backlog { device, synthetic, .. } = *backlog;
        let parcel = Parcel { device, synthetic, key: batch.idempotency_key, table: cut.table };
        match self.receiver.deliver(&parcel).await {
            Ok(receipt) => {
                let bytes = receipt.bytes;
                self.outbox.settle(batch.key, receipt).await?;
                self.backoff.succeeded();
                self.refused.remove(&(batch.log, batch.kind));
                let now = self.clock.now();
                self.status.send_modify(|status| {
                    status.last_receipt = Some(now);
                    status.batches += 1;
                    status.rows += u64::from(batch.rows);
                    status.folded += cut.folded;
                    status.csv_bytes += csv_bytes;
                    status.sent_bytes += bytes;
                });
                tracing::info!(
                    sink = %batch.sink, kind = %batch.kind, rows = batch.rows, bytes, "A batch is confirmed."
                );
                Ok(Step::Moved)
            }
            Err(failure) => {
                self.outbox.note_attempt(batch.key, failure.to_string()).await?;
                self.not_taken(backlog, &batch, cut.blocks, failure).await
            }
        }
    }

    /// The batch on record for this table: the open one if it is the same, else a new one in its place.
    async fn write_down(&self, open: Option<Batch>, new: &NewBatch) -> Result<Batch, Stop> {
        let Some(open) = open else { return Ok(self.outbox.persist_batch(new.clone()).await?) };
        if open.csv_sha256 == new.csv_sha256 && (open.first, open.last) == (new.first, new.last) {
            return Ok(open);
        }
        // Another table must not go out under the old key (a block became unreadable, or an update writes rows anew).
        tracing::warn!(kind = %open.kind, batch = %open.key, "A batch makes another table than before; it gets a new key.");
        Ok(self.outbox.recut(open.key, new.clone()).await?)
    }
}

/// A batch of the one block that cannot become rows: it has none.
fn one_block(sink: &SinkName, backlog: &Backlog, seq: Seq) -> NewBatch {
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
