//! What lies around a batch: samples that may share a second with it.
//!
//! What is dead is left out: the cloud would refuse it again, and with it the batch. So is what is in quarantine.

use super::readings::Part;
use crate::measurement::{HeartBeatFrame, Kind, ValueType};
use crate::outbox::{LogKey, Outbox, OutboxError, Seam, SeamPart, SinkName, Span, StoredBlock};
use crate::wire::bridge::{RawBlock, Seq, Stream};

/// How many blocks are looked at, with those that hold nothing but what is left out.
const LOOKS: usize = 64;

/// Where to look.
#[derive(Clone, Debug)]
pub(super) struct Lookout<'a> {
    pub outbox: &'a Outbox,
    pub sink: &'a SinkName,
    pub log: LogKey,
    pub kind: Kind,
    pub stream: Stream,
    /// Left out like what is dead.
    pub ignoring: Option<Span>,
    /// What there was to see when the batch was first made, which is all that a retry may see.
    pub kept: Option<&'a Seam>,
    /// What of the batch itself was left out.
    pub holes: Vec<Span>,
}

impl Lookout<'_> {
    /// What of these blocks is to be left out.
    pub async fn holes(&self, first: Seq, last: Seq) -> Result<Vec<Span>, OutboxError> {
        if let Some(kept) = self.kept {
            return Ok(kept
                .holes
                .iter()
                .filter(|hole| hole.first <= last && hole.last >= first)
                .copied()
                .collect());
        }
        let mut holes = self.outbox.left_out(self.sink, (self.log, self.kind), (first, last)).await?;
        holes.extend(self.ignoring);
        Ok(holes)
    }

    /// The samples before a span whose last second it may share: mostly of one block, but where every run of beats breaks off at
    /// once a block holds a single beat.
    pub async fn before(&self, span: Span) -> Result<Vec<Part>, OutboxError> {
        if let Some(kept) = self.kept {
            return Ok(parts_of(&kept.before));
        }
        let mut found = Vec::new();
        if span.skip > 0 {
            let first = self.outbox.blocks(self.log, self.stream, span.first..=span.first, 1).await?;
            for block in first {
                let parts = self.live(block, 0, span.skip).await?;
                found.extend((!parts.is_empty()).then_some(parts));
            }
        }
        let mut at = span.first;
        for _ in 0..LOOKS {
            if found.len() >= self.farthest() || found.last().is_some_and(|parts| spans_a_second(parts)) {
                break;
            }
            let Some(block) = self.outbox.block_before(self.log, self.stream, at).await? else { break };
            at = block.seq;
            let parts = self.live(block, 0, u16::MAX).await?;
            if parts.is_empty() {
                // A run in quarantine may be long.
                let holes = self.holes(at, at).await?;
                at = holes.iter().map(|hole| hole.first).chain([at]).min().unwrap_or(at);
            } else {
                found.push(parts);
            }
        }
        Ok(found.into_iter().rev().flatten().collect())
    }

    /// The samples behind a span that may share its last second.
    pub async fn after(&self, span: Span) -> Result<Vec<Part>, OutboxError> {
        if let Some(kept) = self.kept {
            return Ok(parts_of(&kept.after));
        }
        let mut found: Vec<Vec<Part>> = Vec::new();
        if let Some(upto) = span.upto {
            let last = self.outbox.blocks(self.log, self.stream, span.last..=span.last, 1).await?;
            for block in last {
                found.push(self.live(block, upto, u16::MAX).await?);
            }
        }
        let behind = span.last.next()..=Seq(u32::MAX);
        for block in self.outbox.blocks(self.log, self.stream, behind, self.farthest() as u32).await? {
            if found.last().is_some_and(|parts| spans_a_second(parts)) {
                break;
            }
            found.push(self.live(block, 0, u16::MAX).await?);
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// How many blocks away a sample of the same second may be: a block holds one beat at least, and a row takes no more than these.
    fn farthest(&self) -> usize {
        if self.kind.value_type() == ValueType::Frame { HeartBeatFrame::MAX_BEATS } else { 1 }
    }

    async fn live(&self, block: StoredBlock, from: u16, upto: u16) -> Result<Vec<Part>, OutboxError> {
        let holes = self.holes(block.seq, block.seq).await?;
        let Ok(raw) = RawBlock::parse(block.body) else { return Ok(Vec::new()) };
        let upto = upto.min(block.samples);
        let part = |range| Part { block: raw.clone(), received: block.received, range };
        Ok(without(from..upto, block.seq, block.samples, &holes).into_iter().map(part).collect())
    }
}

fn parts_of(kept: &[SeamPart]) -> Vec<Part> {
    let part = |part: &SeamPart| {
        let block = RawBlock::parse(part.body.clone().into()).ok()?;
        Some(Part { block, received: part.received, range: part.from..part.upto })
    };
    kept.iter().filter_map(part).collect()
}

/// What is left of some samples of a block without those in the holes.
pub(super) fn without(
    range: std::ops::Range<u16>,
    seq: Seq,
    samples: u16,
    holes: &[Span],
) -> Vec<std::ops::Range<u16>> {
    let mut left = vec![range];
    for hole in holes {
        let hole = hole.within(seq, samples);
        if hole.is_empty() {
            continue;
        }
        let parted = left
            .into_iter()
            .flat_map(|part| [part.start..part.end.min(hole.start), part.start.max(hole.end)..part.end]);
        left = parted.collect();
        left.retain(|part| part.start < part.end);
    }
    left.retain(|part| part.start < part.end);
    left
}

/// Whether nothing beyond these samples can be in the second at their other end, however the clock drifts.
fn spans_a_second(parts: &[Part]) -> bool {
    let Some((first, last)) = parts.first().zip(parts.last()) else { return false };
    let (Ok(opening), Ok(closing)) = (first.block.samples(), last.block.samples()) else { return false };
    let first = opening.get(usize::from(first.range.start));
    let last = last.range.end.checked_sub(1).and_then(|index| closing.get(usize::from(index)));
    first.zip(last).is_some_and(|(first, last)| last.at_ms.saturating_sub(first.at_ms) > 1_100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dead_is_cut_out() {
        let dead = |from, upto| Span { first: Seq(5), skip: from, last: Seq(5), upto };
        let left = |range, seq, holes: &[Span]| -> Vec<(u16, u16)> {
            let left = without(range, Seq(seq), 10, holes);
            left.into_iter().map(|part| (part.start, part.end)).collect()
        };
        assert_eq!(left(0..10, 5, &[dead(3, Some(4)), dead(7, None)]), [(0, 3), (4, 7)]);
        assert_eq!(left(2..6, 5, &[dead(0, Some(3)), dead(5, Some(9))]), [(3, 5)]);
        assert_eq!(left(2..6, 4, &[dead(0, None)]), [(2, 6)]);
        assert_eq!(left(2..6, 5, &[dead(0, None)]), []);
    }
}
