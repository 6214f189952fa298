//! What to do with a batch that the cloud does not take.

use super::{Hold, RETRY_CEILING, Step, Stop, Uploader, uncut};
use crate::cloud::{Api, CloudError};
use crate::outbox::{Backlog, Batch, DeadLetter, NewBatch};
use crate::upload::batching::{Bounds, Next, cut};
use crate::upload::status::HoldReason;

/// Blocks refused one after the other, without one that was taken, before we take the fault to be the cloud's.
const REFUSED_IN_A_ROW: u32 = 3;

impl<A: Api> Uploader<A> {
    /// Decides what a failed upload means.
    pub(super) async fn refused(
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
        let next = cut(&self.outbox, &self.config.sink, bounds).await.map_err(uncut(kind))?;
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

    pub(super) async fn put_aside(&self, batch: &Batch, letter: DeadLetter) -> Result<Step, Stop> {
        tracing::error!(kind = %batch.kind, from = %batch.first, to = %batch.last, reason = %letter.reason, "Blocks became dead letters.");
        let blocks = self.outbox.dead_letter(batch.key, letter).await?;
        self.status.send_modify(|status| status.dead += blocks);
        Ok(Step::Moved)
    }
}
