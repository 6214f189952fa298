//! One batch: made or found, written down, sent, and what came of it stored.

use uuid::Uuid;

use super::{Step, Stop, Uploader, uncut};
use crate::cloud::{Api, Upload};
use crate::outbox::{Backlog, Batch, DeadLetter, NewBatch, Receipt, Sink};
use crate::upload::batching::{Bounds, Cut, Next, cut};
use crate::upload::status::UploadState;
use crate::upload::table::Table;
use crate::wire::bridge::Seq;

impl<A: Api> Uploader<A> {
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
        let (csv_bytes, zip_bytes) = (cut.table.csv_bytes, cut.table.zip.len() as u64);
        match self.api.upload(upload(cut.table, batch.idempotency_key)).await {
            Ok(receipt) => {
                let receipt = Receipt { status: receipt.status, body: receipt.body, zip_bytes };
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
                    status.zip_bytes += zip_bytes;
                });
                tracing::info!(
                    kind = %batch.kind, rows = batch.rows, zip_bytes, "The cloud confirmed a batch."
                );
                Ok(Step::Moved)
            }
            Err(error) => {
                self.outbox.note_attempt(batch.key, error.to_string()).await?;
                self.not_taken(&batch, cut.blocks, &error).await
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

/// The table on its way, under a key.
pub(super) fn upload(table: Table, key: Uuid) -> Upload {
    Upload {
        kind: table.kind,
        file_name: format!("{}-{key}.zip", table.kind),
        zip: table.zip.into(),
        idempotency_key: key.to_string(),
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
