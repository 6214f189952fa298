//! What to do with a batch that the cloud does not take.
//!
//! A batch that is too large or refused is halved until one sample is left; what is known to hold something refused is not sent
//! whole again, so that each request halves it. Whether the sample is at fault, or the cloud (or what we make of every sample),
//! shows when others are sent beside it: only if the cloud takes one of those is the refused one put aside. Otherwise the kind
//! waits, whole, while other kinds go on.

use tokio::time::Instant;
use uuid::Uuid;

use super::lane::Lane;
use super::{EAGER_ROUNDS, RETRY_CEILING, Refused, Step, Stop, Uploader, uncut};
use crate::outbox::{Batch, DeadLetter, ErrandWhy, NewBatch, Position, Span};
use crate::upload::batching::{Bounds, Next, Purpose, cut};
use crate::upload::receiver::{Failure, Parcel, Receiver, Verdict};
use crate::wire::bridge::Seq;

/// How many others are sent to learn whether the cloud takes any.
const PROBES: usize = 3;

impl<R: Receiver> Uploader<R> {
    /// Notes that a batch was taken.
    pub(super) fn taken(&mut self, lane: &Lane, batch: &Batch) {
        let key = lane.key();
        self.refused.remove(&key);
        self.taken.insert((batch.log, batch.kind), batch.span);
        if let Some(pace) = self.paces.get_mut(&key) {
            *pace = pace.saturating_mul(2);
            if *pace > self.config.max_samples {
                self.paces.remove(&key);
            }
        }
        if let Some(left) = self.suspects.get_mut(&key) {
            *left = left.saturating_sub(batch.samples.into());
            if *left == 0 {
                self.suspects.remove(&key);
            }
        }
    }

    /// Decides what a failed upload means.
    pub(super) async fn not_taken(
        &mut self,
        lane: &Lane,
        batch: &Batch,
        failure: Failure,
    ) -> Result<Step, Stop> {
        if failure.verdict == Verdict::KeyReused && batch.attempts > 0 {
            return self.renew_key(batch).await;
        }
        if !failure.is_about_the_parcel() {
            return Err(Stop::Hold(self.hold_for(failure)));
        }
        let too_large = failure.verdict == Verdict::TooLarge;
        if batch.samples > 1 {
            let half = u64::from(batch.samples / 2);
            if too_large {
                self.limits.insert(batch.kind, half);
            } else {
                self.suspects.insert(lane.key(), batch.samples.into());
            }
            return self.halve(lane, batch, half).await;
        }
        let is_retry = lane.errand.as_ref().is_some_and(|errand| errand.why == ErrandWhy::Retry);
        // A letter that stays dead says nothing about the cloud, and loses nothing if the cloud is at fault.
        if !is_retry && !self.takes_another(lane, batch).await? {
            return Ok(self.set_back(lane, batch, &failure));
        }
        if too_large {
            // It was not the number of samples.
            self.limits.remove(&batch.kind);
        }
        let letter = DeadLetter {
            reason: if too_large { "too large for the receiver".into() } else { "refused".into() },
            status: failure.status,
            response: Some(failure.detail),
        };
        self.put_aside(lane, batch, letter).await
    }

    /// Whether the cloud takes another sample of the kind at this very moment.
    ///
    /// This is a question, not a delivery, and the ledger knows nothing of it: the sample comes again, or came before, in a batch of
    /// its own, and the cloud keeps one row a second.
    async fn takes_another(&mut self, lane: &Lane, batch: &Batch) -> Result<bool, Stop> {
        let &Batch { log, kind, span: beside, .. } = batch;
        let mut others = self.others(batch).await?;
        let rounds = self.refused.get(&lane.key()).map_or(0, |refused| refused.rounds);
        // To ask a cloud that has refused them all, one is enough; another one each time.
        let (enough, turn) = if rounds < EAGER_ROUNDS { (PROBES, 0) } else { (1, rounds) };
        let turn = turn % others.len().max(1);
        others.rotate_left(turn);
        let mut asked = 0;
        for other in others {
            let purpose = Purpose::Probe { beside };
            let bounds =
                Bounds { log, kind, span: other, max_samples: 1, horizon: None, purpose, again: None };
            let next = cut(&self.outbox, &self.config.sink, bounds).await.map_err(uncut(kind))?;
            let Next::Ready(cut) = next else { continue };
            let &Lane { device, synthetic, .. } = lane;
            let parcel = Parcel { device, synthetic, key: Uuid::new_v4(), table: cut.table };
            match self.receiver.deliver(&parcel).await {
                Ok(_) => return Ok(true),
                Err(failure) if failure.is_about_the_parcel() => asked += 1,
                Err(failure) => return Err(Stop::Hold(self.hold_for(failure))),
            }
            if asked == enough {
                break;
            }
        }
        Ok(false)
    }

    /// Samples beside a batch of one: the last that was taken, the newest of all, the next, and those before.
    async fn others(&self, batch: &Batch) -> Result<Vec<Span>, Stop> {
        let &Batch { log, kind, span, .. } = batch;
        let (stream, newest) = (batch.stream(), Seq(u32::MAX));
        let mut places = Vec::new();
        if let Some(taken) = self.taken.get(&(log, kind)) {
            let last = self.outbox.blocks(log, stream, taken.last..=taken.last, 1).await?;
            let end = last.iter().filter_map(|block| taken.upto.unwrap_or(block.samples).checked_sub(1));
            places.extend(end.map(|sample| Position { seq: taken.last, sample }));
        }
        if let Some(block) = self.outbox.block_before(log, stream, newest).await? {
            places.push(Position { seq: block.seq, sample: block.samples.saturating_sub(1) });
        }
        for block in self.outbox.blocks(log, stream, span.last..=newest, 2).await? {
            let behind = if block.seq == span.last { span.upto } else { Some(0) };
            let behind = behind.filter(|behind| *behind < block.samples);
            places.extend(behind.map(|sample| Position { seq: block.seq, sample }));
        }
        if let Some(sample) = span.skip.checked_sub(1) {
            places.push(Position { seq: span.first, sample });
        }
        if let Some(block) = self.outbox.block_before(log, stream, span.first).await? {
            places.push(Position { seq: block.seq, sample: block.samples.saturating_sub(1) });
        }
        let own = |place: &Position| *place >= span.start() && *place < span.end();
        places.retain(|place| !own(place));
        let mut known = std::collections::BTreeSet::new();
        places.retain(|place| known.insert(*place));
        Ok(places.into_iter().map(Span::sample).collect())
    }

    /// Gives the same rows a new key. An earlier attempt was stored under the old one, zipped otherwise (by the nowbridge
    /// before an update, say); as the cloud keeps one row a second, storing them again does no harm.
    async fn renew_key(&self, batch: &Batch) -> Result<Step, Stop> {
        let again = NewBatch {
            sink: batch.sink.clone(),
            log: batch.log,
            kind: batch.kind,
            span: batch.span,
            errand: batch.errand,
            anchor_horizon: batch.anchor_horizon,
            rows: batch.rows,
            csv_sha256: batch.csv_sha256,
        };
        let seam = self.outbox.seam(batch.key).await?;
        let renewed = self.outbox.recut_within(batch.key, again, seam).await?;
        tracing::info!(sink = %batch.sink, kind = %batch.kind, key = %renewed.idempotency_key, "A batch gets a new key; the cloud knows the old one with other bytes.");
        Ok(Step::Moved)
    }

    /// Lets the kind wait: nothing of it is taken, so nothing of it is put aside. There may have been nothing good to compare with, so
    /// what arrives next ends the wait, the first few times.
    fn set_back(&mut self, lane: &Lane, batch: &Batch, failure: &Failure) -> Step {
        let detail = format!("{}: {failure}", batch.kind);
        let again = Instant::now() + RETRY_CEILING;
        // If size was the complaint, it was not the fault.
        self.limits.remove(&batch.kind);
        self.suspects.remove(&lane.key());
        let rounds = self.refused.get(&lane.key()).map_or(1, |refused| refused.rounds + 1);
        let since = self.refused.get(&lane.key()).map_or_else(|| self.clock.now(), |refused| refused.since);
        let refused = Refused { detail, again, samples: lane.samples, rounds, since };
        self.refused.insert(lane.key(), refused);
        Step::Refused
    }

    /// Replaces the batch by its first half.
    async fn halve(&mut self, lane: &Lane, batch: &Batch, half: u64) -> Result<Step, Stop> {
        let kind = batch.kind;
        let mut half = half.max(1);
        let cut = loop {
            let bounds = Bounds { max_samples: half, ..Bounds::of(batch, lane.purpose()) };
            let next = cut(&self.outbox, &self.config.sink, bounds).await.map_err(uncut(kind))?;
            let Next::Ready(cut) = next else { return Ok(Step::Moved) };
            // A span with holes has fewer samples than it seems to have.
            if half == 1 || cut.span != batch.span {
                break cut;
            }
            half /= 2;
        };
        let smaller = cut.batch(&batch.sink, batch.log, batch.errand);
        self.outbox.recut_within(batch.key, smaller, cut.seam).await?;
        if self.told.is_due("halved") {
            tracing::info!(sink = %batch.sink, %kind, samples = half, "A batch was refused; half of it is tried.");
        }
        Ok(Step::Moved)
    }

    pub(super) async fn put_aside(
        &mut self,
        lane: &Lane,
        batch: &Batch,
        letter: DeadLetter,
    ) -> Result<Step, Stop> {
        if self.told.is_due("dead letter") {
            tracing::error!(sink = %batch.sink, kind = %batch.kind, samples = %batch.span, reason = %letter.reason, "Samples became dead letters; the ledger has all there are.");
        }
        let letters = self.outbox.dead_letter(batch.key, letter).await?;
        self.refused.remove(&lane.key());
        // Whether there is more of the kind in what was refused is not known.
        self.suspects.remove(&lane.key());
        self.paces.insert(lane.key(), 1);
        self.status.send_modify(|status| status.dead += letters);
        Ok(Step::Moved)
    }
}
