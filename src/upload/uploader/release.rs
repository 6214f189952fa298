//! Out of quarantine: what can be dated now is sent by an errand.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{Stop, Uploader};
use crate::outbox::{HeldRun, OutboxError};
use crate::upload::batching::WatchClock;
use crate::upload::receiver::Receiver;
use crate::wire::bridge::{Boot, RawBlock, Stream};

impl<R: Receiver> Uploader<R> {
    /// Lets go what can be dated since the last look. Without a new anchor of its log nothing can.
    pub(super) async fn release(&mut self) -> Result<(), Stop> {
        let mut held = self.outbox.quarantine().await?;
        held.retain(|run| run.sink == self.config.sink);
        let mut newest = BTreeMap::new();
        for run in &held {
            if let Entry::Vacant(unknown) = newest.entry(run.log) {
                unknown.insert(self.outbox.newest_anchor(run.log).await?);
            }
            if self.looked.get(&run.key) == newest.get(&run.log) {
                continue;
            }
            if self.can_be_dated(run).await? {
                self.outbox.release(run.key).await?;
                tracing::info!(sink = %run.sink, kind = %run.kind, boot = %run.boot, samples = run.samples, "Samples leave the quarantine.");
            }
        }
        let looked = |run: &HeldRun| Some((run.key, *newest.get(&run.log)?));
        self.looked = held.iter().filter_map(looked).collect();
        Ok(())
    }

    /// Whether both ends of a run have dates that can be believed. Should something between them have none, it comes back.
    async fn can_be_dated(&self, run: &HeldRun) -> Result<bool, OutboxError> {
        let Some(stream) = Stream::of_kind(run.kind) else { return Ok(false) };
        let mut ends = Vec::with_capacity(2);
        for (seq, is_last) in [(run.span.first, false), (run.span.last, true)] {
            let block = self.outbox.blocks(run.log, stream, seq..=seq, 1).await?.pop();
            let Some(block) = block else { return Ok(false) };
            let part = run.span.within(block.seq, block.samples);
            let Some(samples) = RawBlock::parse(block.body).ok().and_then(|raw| raw.samples().ok()) else {
                return Ok(false);
            };
            let index = if is_last { part.end.saturating_sub(1) } else { part.start };
            let Some(sample) = samples.get(usize::from(index)) else { return Ok(false) };
            ends.push((block.boot, sample.at_ms, block.received));
        }
        let Some(&(boot, first_ms, _)) = ends.first() else { return Ok(false) };
        let clock = WatchClock::read(&self.outbox, run.log, None, (boot, first_ms)).await?;
        let has_date = |(boot, at_ms, received): &(Boot, u64, _)| {
            clock.timeline.date(boot.0, at_ms.saturating_mul(1_000), *received).is_ok()
        };
        Ok(ends.iter().all(has_date))
    }
}
