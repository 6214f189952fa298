//! One batch: made or found, written down, sent, and what came of it stored.

use super::lane::Lane;
use super::{Step, Stop, Uploader, uncut};
use crate::outbox::{Batch, DeadLetter, ErrandState, ErrandWhy, HeldBack, NewBatch, Seam, SinkName, Span};
use crate::upload::batching::{Bounds, Cut, Next, Purpose, cut};
use crate::upload::receiver::{Parcel, Receiver};
use crate::upload::status::UploadState;
use crate::upload::verify::sent_rows;

impl<R: Receiver> Uploader<R> {
    /// One batch of one lane: the one that is open, or the next.
    pub(super) async fn step(&mut self, lane: &Lane) -> Result<Step, Stop> {
        let open = match &lane.errand {
            Some(errand) => self.outbox.open_batch_of(errand).await?,
            None => self.outbox.open_batch(&self.config.sink, lane.log, lane.kind).await?,
        };
        let bounds = match &open {
            Some(batch) => Bounds::of(batch, lane.purpose()),
            None => Bounds {
                log: lane.log,
                kind: lane.kind,
                span: lane.span,
                max_samples: self.most(lane),
                horizon: None,
                purpose: lane.purpose(),
                again: None,
            },
        };
        match cut(&self.outbox, &self.config.sink, bounds).await.map_err(uncut(lane.kind))? {
            Next::Ready(cut) => self.send(lane, open, *cut).await,
            Next::Hopeless { span, reason } => {
                let batch = self.write_down(open, &without_rows(&self.config.sink, lane, span), None).await?;
                self.put_aside(lane, &batch, DeadLetter { reason, status: None, response: None }).await
            }
            Next::Untrusted(run) => self.hold_back(lane, run).await,
            Next::Nothing if lane.errand.is_some() => self.end_errand(lane).await,
            Next::Undated | Next::Nothing => Ok(Step::Undated),
        }
    }

    /// How many samples the next batch of a lane may hold.
    fn most(&self, lane: &Lane) -> u64 {
        let most = self.limits.get(&lane.kind).copied().unwrap_or(self.config.max_samples);
        let most = self.paces.get(&lane.key()).map_or(most, |pace| most.min(*pace));
        // It is known that something in there is refused.
        self.suspects.get(&lane.key()).map_or(most, |left| most.min(left.div_ceil(2))).max(1)
    }

    /// Writes the batch down unless it is, sends it, and stores what came of it.
    async fn send(&mut self, lane: &Lane, open: Option<Batch>, cut: Cut) -> Result<Step, Stop> {
        let new = cut.batch(&self.config.sink, lane.log, lane.errand_key());
        let batch = self.write_down(open, &new, cut.seam).await?;
        self.show(UploadState::Uploading { kind: batch.kind, rows: batch.rows });
        let csv_bytes = cut.table.csv.len() as u64;
        let rows = if self.receiver.can_be_asked() {
            sent_rows(&cut.table.readings, &cut.repeats)
        } else {
            Vec::new()
        };
        let &Lane { device, synthetic, .. } = lane;
        let parcel = Parcel { device, synthetic, key: batch.idempotency_key, table: cut.table };
        match self.receiver.deliver(&parcel).await {
            Ok(receipt) => {
                let bytes = receipt.bytes;
                self.outbox.settle_counting(batch.key, receipt, rows).await?;
                self.backoff.succeeded();
                self.told.all_is_well();
                self.taken(lane, &batch);
                let now = self.clock.now();
                self.status.send_modify(|status| {
                    status.last_receipt = Some(now);
                    status.holding_since = None;
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
                self.not_taken(lane, &batch, failure).await
            }
        }
    }

    /// The batch on record for this table: the open one if it is the same, else a new one in its place.
    async fn write_down(
        &self,
        open: Option<Batch>,
        new: &NewBatch,
        seam: Option<Seam>,
    ) -> Result<Batch, Stop> {
        let Some(open) = open else {
            return Ok(self.outbox.persist_batch_within(new.clone(), seam).await?);
        };
        if open.csv_sha256 == new.csv_sha256 && open.span == new.span {
            return Ok(open);
        }
        // Another table must not go out under the old key (a block became unreadable, or an update writes rows anew).
        tracing::warn!(sink = %open.sink, kind = %open.kind, batch = %open.key, "A batch makes another table than before; it gets a new key.");
        Ok(self.outbox.recut_within(open.key, new.clone(), seam).await?)
    }

    /// Puts what has no date that can be believed into quarantine. Of an errand, only what was to leave it goes back.
    async fn hold_back(&mut self, lane: &Lane, run: HeldBack) -> Result<Step, Stop> {
        if self.told.is_due("held back") {
            let HeldBack { sink, kind, boot, detail: reason, .. } = &run;
            tracing::warn!(%sink, %kind, %boot, %reason, "Samples are held back.");
        }
        match &lane.errand {
            None => self.outbox.hold_back(run).await?,
            Some(errand) if errand.why == ErrandWhy::Release => {
                let left = HeldBack { span: errand.span, ..run };
                self.outbox.hold_again(errand.key, left).await?;
            }
            Some(_) => return self.end_errand(lane).await,
        }
        Ok(Step::Moved)
    }

    /// Ends an errand of which nothing can be sent any more.
    async fn end_errand(&self, lane: &Lane) -> Result<Step, Stop> {
        if self.outbox.is_salvaging().await? {
            // It may be there in a moment.
            return Ok(Step::Undated);
        }
        if let Some(errand) = lane.errand_key() {
            self.outbox.end_errand(errand, ErrandState::GivenUp).await?;
            tracing::warn!(sink = %self.config.sink, kind = %lane.kind, %errand, "An errand was given up: nothing is there that could be sent.");
        }
        Ok(Step::Moved)
    }
}

/// A batch of what cannot become rows: it has none.
fn without_rows(sink: &SinkName, lane: &Lane, span: Span) -> NewBatch {
    NewBatch {
        sink: sink.clone(),
        log: lane.log,
        kind: lane.kind,
        span,
        errand: lane.errand_key(),
        anchor_horizon: None,
        rows: 0,
        csv_sha256: [0; 32],
    }
}

impl Lane {
    /// What its batches are cut for.
    pub(super) fn purpose(&self) -> Purpose {
        self.errand.as_ref().map_or(Purpose::Next, |errand| Purpose::Errand(errand.why))
    }
}
