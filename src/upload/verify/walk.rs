//! The rows that were sent of a kind of a log, made again in the order in which they were sent.

use std::collections::VecDeque;

use super::compare::{Known, Ours};
use crate::measurement::{Day, HeartBeatFrame, Kind, Reading, UnixSeconds, UtcMicros, ValueType};
use crate::outbox::{Outbox, OutboxError, Sent, StoredBlock};
use crate::upload::readings::{Part, Source};
use crate::wire::bridge::{Boot, RawBlock, Seq, Stream};

/// Blocks read at once.
const PAGE_BLOCKS: u32 = 16;

/// A walk from the first day on.
pub struct Walk {
    sent: Sent,
    stream: Stream,
    from: Day,
    next: Seq,
    /// The latest parts of blocks, whose last second may be sent again with what comes next.
    before: Vec<Part>,
    /// Rows of days to come.
    ahead: VecDeque<(Seq, Reading)>,
    /// The first row of all, if blocks before it are gone that may have shared its second: the cloud may rightly have more of it.
    seam: Option<UnixSeconds>,
    is_over: bool,
}

impl Walk {
    /// `None` for a kind that no stream is sent as.
    pub fn new(sent: Sent, from: Day) -> Option<Self> {
        let stream = Stream::of_kind(sent.kind)?;
        let (before, ahead) = (Vec::new(), VecDeque::new());
        Some(Self { sent, stream, from, next: Seq(0), before, ahead, seam: None, is_over: false })
    }

    /// What its rows are.
    pub const fn kind(&self) -> Kind {
        self.sent.kind
    }

    /// Hands over the rows of a day. Days are asked for in order.
    pub async fn take(&mut self, outbox: &Outbox, day: Day, ours: &mut Ours) -> Result<(), OutboxError> {
        while !self.is_over && self.ahead.back().is_none_or(|(_, row)| row.at.day() <= day) {
            self.read(outbox).await?;
        }
        while let Some((seq, row)) = self.ahead.pop_front_if(|(_, row)| row.at.day() <= day) {
            if row.at.day() == day {
                let known = if self.seam == Some(row.at) {
                    Known::Cut
                } else if self.is_over && self.ahead.is_empty() {
                    Known::Open
                } else {
                    Known::Whole
                };
                ours.add(self.sent.log.key, seq, row, known);
            }
        }
        Ok(())
    }

    /// Reads a page. What ends before the first day is passed over.
    async fn read(&mut self, outbox: &Outbox) -> Result<(), OutboxError> {
        let (log, range) = (self.sent.log.key, self.next..=self.sent.last());
        let page = if range.is_empty() {
            Vec::new()
        } else {
            outbox.blocks(log, self.stream, range, PAGE_BLOCKS).await?
        };
        let (Some(first), Some(last)) = (page.first(), page.last()) else {
            self.is_over = true;
            return Ok(());
        };
        let is_first = self.next == Seq(0);
        self.next = last.seq.next();
        // Only a block's first moment is known without unpacking it; the last one's end is within this.
        let moment = |boot: Boot, ms: u64| (boot, ms.saturating_mul(1_000));
        let begin =
            self.before.first().map(|part| moment(part.block.header().boot, part.block.header().t0_ms));
        let begin = begin.into_iter().chain([moment(first.boot, first.t0_ms)]).min().unwrap_or_default();
        let end = page.iter().filter_map(|block| {
            let samples = RawBlock::parse(block.body.clone()).ok()?.samples().ok()?;
            Some(moment(block.boot, samples.last()?.at_ms))
        });
        let end = end.max().unwrap_or(begin);
        // What was sent was not in the future then.
        let timeline =
            outbox.timeline(log, self.sent.ended, begin, end).await?.as_of(Some(UtcMicros(i64::MAX)));
        let starts: Vec<_> =
            page.iter().map(|block| timeline.utc(block.boot.0, block.t0_ms.saturating_mul(1_000))).collect();
        for (at, stored) in page.iter().enumerate() {
            let Ok(block) = RawBlock::parse(stored.body.clone()) else { continue };
            let next = starts.get(at + 1).copied().flatten();
            let is_past = next.is_some_and(|next| next.seconds().day() < self.from);
            for part in self.parts(&block, stored) {
                if !is_past {
                    let source = Source {
                        kind: self.sent.kind,
                        before: self.reach(),
                        parts: std::slice::from_ref(&part),
                        after: &[],
                        timeline: &timeline,
                    };
                    // What has no date, or cannot be read, was never sent.
                    let rows = source.rows().map(|rows| rows.readings).unwrap_or_default();
                    let is_seam =
                        is_first && self.sent.emptied && self.seam.is_none() && self.before.is_empty();
                    if let Some(row) = rows.first().filter(|_| is_seam) {
                        self.seam = Some(row.at);
                    }
                    self.ahead.extend(rows.into_iter().map(|row| (stored.seq, row)));
                }
                self.keep(part);
            }
        }
        Ok(())
    }

    /// The parts of a block that were sent.
    fn parts(&self, block: &RawBlock, stored: &StoredBlock) -> Vec<Part> {
        let header = block.header();
        let kept = self.sent.of_block(header.seq, usize::from(header.n));
        let part = |range: std::ops::Range<usize>| Part {
            block: block.clone(),
            received: stored.received,
            range: range.start as u16..range.end as u16,
        };
        kept.into_iter().map(part).collect()
    }

    fn keep(&mut self, part: Part) {
        if self.sent.kind.value_type() != ValueType::Frame {
            return;
        }
        // A part holds one beat at least, and a row takes no more than these.
        if self.before.len() >= HeartBeatFrame::MAX_BEATS {
            self.before.remove(0);
        }
        self.before.push(part);
    }

    /// Those before whose last beats may share a second with the next: from the last one that is longer than that.
    fn reach(&self) -> &[Part] {
        let is_long = |part: &Part| {
            let samples = part.block.samples().unwrap_or_default();
            let range = usize::from(part.range.start)..usize::from(part.range.end);
            let ends = samples.get(range).and_then(|samples| samples.first().zip(samples.last()));
            ends.is_some_and(|(first, last)| last.at_ms.saturating_sub(first.at_ms) > 1_100)
        };
        let from = self.before.iter().rposition(is_long).unwrap_or(0);
        &self.before[from..]
    }
}
