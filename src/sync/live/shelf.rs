//! What a live session holds between the sensor and the disk: samples in open blocks, and sealed blocks that are not committed yet.
//!
//! Memory is bounded. While the disk takes nothing, blocks grow full before they are sealed; when too many of those wait, the oldest
//! go, and the numbers they had become a gap that is committed with the next block. What is lost has a name.

use std::collections::{BTreeMap, VecDeque};

use crate::outbox::{GapCause, HostLog, NewBlock, NewGap};
use crate::watch::LiveSample;
use crate::wire::bridge::{RawBlock, Sample, Sealer, Seq, Stream, Verdict, seal};

/// Sealed blocks that may wait, 240 bytes each: a megabyte, or two days of a heart with its beats.
const MOST_BLOCKS: usize = 4_096;
/// Blocks committed at once.
const GROUP: usize = 512;
/// A beat's time and its interval, both in whole ms, may differ by this much from rounding alone.
const ROUNDING_MS: u64 = 2;

/// Samples and blocks that are not committed yet.
#[derive(Debug)]
pub struct Shelf {
    host: HostLog,
    open: BTreeMap<Stream, Sealer>,
    last_beat_ms: Option<u64>,
    sealed: VecDeque<NewBlock>,
    next: Seq,
    dropped: Option<Dropped>,
    sealed_blocks: u64,
    dropped_blocks: u64,
    most: usize,
}

/// Blocks that had to go and are not committed as a gap yet.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    from: Seq,
    to: Seq,
    samples: u64,
}

/// What is to be committed together.
#[derive(Debug)]
pub struct Group {
    /// In order.
    pub blocks: Vec<NewBlock>,
    /// What had to go before them.
    pub gaps: Vec<NewGap>,
}

impl Shelf {
    /// An empty shelf; its blocks go on where the log ends.
    pub fn new(host: HostLog) -> Self {
        let (open, sealed) = (BTreeMap::new(), VecDeque::new());
        let next = host.log.cursor.next();
        Self {
            host,
            open,
            last_beat_ms: None,
            sealed,
            next,
            dropped: None,
            sealed_blocks: 0,
            dropped_blocks: 0,
            most: MOST_BLOCKS,
        }
    }

    /// Puts a sample into the open block of its stream.
    pub fn put(&mut self, told: &LiveSample) {
        let at_ms = self.host.tick_us(told.at) / 1_000;
        let mut sample = Sample { at_ms, value: told.value, quality: told.quality };
        if told.stream == Stream::BEATS {
            // Only differences of times are ever read again, so the interval is made one.
            let gap = self.last_beat_ms.replace(at_ms).map(|last| at_ms.saturating_sub(last));
            let told_gap = u64::try_from(told.value).unwrap_or(0);
            match gap {
                Some(gap) if gap > 0 && told_gap > 0 && gap.abs_diff(told_gap) <= ROUNDING_MS => {
                    sample.value = i32::try_from(gap).unwrap_or(0);
                }
                _ => sample.value = 0,
            }
        }
        let sealer = self.open.entry(told.stream).or_insert_with(|| Sealer::unevenly(told.stream));
        if sealer.push(sample) == Verdict::SealFirst {
            self.seal(told.stream);
            let sealer = self.open.entry(told.stream).or_insert_with(|| Sealer::unevenly(told.stream));
            // An empty block takes any sample.
            sealer.push(sample);
        }
    }

    /// Seals what is open.
    pub fn seal_all(&mut self) {
        let streams: Vec<Stream> = self.open.keys().copied().collect();
        for stream in streams {
            self.seal(stream);
        }
    }

    /// The oldest blocks, to be committed.
    pub fn group(&self) -> Group {
        let gap = |dropped: Dropped| NewGap {
            from: dropped.from,
            to: dropped.to,
            stream: None,
            cause: GapCause::Overwritten,
            detail: format!("the disk was full for so long that {} samples had to go", dropped.samples),
            raw: None,
        };
        Group {
            blocks: self.sealed.iter().take(GROUP).cloned().collect(),
            gaps: self.dropped.map(gap).into_iter().collect(),
        }
    }

    /// Everything up to `cursor` is on the disk: forgets it, and tells how many samples that were.
    pub fn committed(&mut self, cursor: Seq) -> u64 {
        let mut samples = 0;
        while let Some(block) = self.sealed.pop_front_if(|block| block.seq <= cursor) {
            samples += u64::from(block.samples);
        }
        // More may have gone while the first of it was committed.
        self.dropped = self.dropped.filter(|dropped| dropped.to > cursor);
        samples
    }

    /// Gives everything that waits, and what had to go before it, the numbers after `cursor`.
    pub fn renumber(&mut self, cursor: Seq) {
        let mut next = cursor.next();
        if let Some(dropped) = &mut self.dropped {
            (dropped.to, dropped.from) = (Seq(next.0 + (dropped.to.0 - dropped.from.0)), next);
            next = dropped.to.next();
        }
        for block in &mut self.sealed {
            let samples = RawBlock::parse(block.body.clone()).and_then(|sealed| sealed.samples());
            let samples = samples.expect("a block that was sealed here can be read");
            block.seq = next;
            block.body = seal(next, block.boot, block.stream, &samples);
            next = next.next();
        }
        self.next = next;
    }

    /// Whether no sealed block waits.
    pub fn is_clear(&self) -> bool {
        self.sealed.is_empty() && self.dropped.is_none()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.is_clear() && self.open.values().all(|sealer| sealer.samples().is_empty())
    }

    /// Samples that wait, sealed or not.
    pub fn samples(&self) -> u64 {
        let open: usize = self.open.values().map(|sealer| sealer.samples().len()).sum();
        self.sealed.iter().map(|block| u64::from(block.samples)).sum::<u64>() + open as u64
    }

    /// Blocks that were sealed.
    pub const fn sealed_so_far(&self) -> u64 {
        self.sealed_blocks
    }

    /// Blocks that had to go.
    pub const fn dropped_so_far(&self) -> u64 {
        self.dropped_blocks
    }

    fn seal(&mut self, stream: Stream) {
        let Some(sealer) = self.open.get_mut(&stream) else { return };
        let (t0_ms, samples) =
            (sealer.samples().first().map_or(0, |first| first.at_ms), sealer.samples().len());
        let (seq, boot) = (self.next, self.host.boot);
        let Some(body) = sealer.seal(seq, boot) else { return };
        self.next = seq.next();
        self.sealed_blocks += 1;
        self.sealed.push_back(NewBlock { seq, boot, t0_ms, stream, samples: samples as u16, body });
        if self.sealed.len() > self.most {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.sealed.pop_front() else { return };
        let before = self.dropped.unwrap_or(Dropped { from: oldest.seq, to: oldest.seq, samples: 0 });
        self.dropped_blocks += 1;
        self.dropped =
            Some(Dropped { to: oldest.seq, samples: before.samples + u64::from(oldest.samples), ..before });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::clock::Clock;
    use crate::measurement::{Quality, UtcMicros};
    use crate::outbox::Outbox;
    use crate::wire::bridge::DeviceId;

    #[tokio::test(start_paused = true)]
    async fn what_has_to_go_becomes_a_gap_in_front_of_what_stays() {
        let dir = tempfile::TempDir::new().unwrap();
        let outbox = Outbox::open(dir.path(), Clock::simulated(UtcMicros(0))).await.unwrap();
        let host = outbox.host_log(DeviceId([1; 16]), false).await.unwrap();
        let session = outbox.begin_session(host.log.device, Some(host.log.key)).await.unwrap();
        let mut shelf = Shelf { most: 3, ..Shelf::new(host) };
        let start = Instant::now();
        for second in 0..5_u64 {
            let at = start + Duration::from_secs(second);
            shelf.put(&LiveSample { stream: Stream::HEART_RATE, at, value: 60, quality: Quality::GOOD });
            shelf.seal_all();
        }
        assert_eq!((shelf.sealed_so_far(), shelf.dropped_so_far(), shelf.samples()), (5, 2, 3));
        let Group { blocks, gaps } = shelf.group();
        let appended = outbox.append_anchored(host.log.key, session, vec![], blocks, gaps).await.unwrap();
        assert_eq!((appended.new, appended.cursor), (3, Seq(5)));
        assert_eq!(shelf.committed(appended.cursor), 3);
        assert!(shelf.is_empty());
        let gap = outbox.gaps(9).await.unwrap().remove(0);
        assert_eq!((gap.from, gap.to, gap.cause), (Seq(1), Seq(2), GapCause::Overwritten));
        assert_eq!(gap.detail, "the disk was full for so long that 2 samples had to go");
    }
}
