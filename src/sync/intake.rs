//! What a session holds between the air and the disk: blocks in order, and the names of the numbers that are missing.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::outbox::{GapCause, NewBlock, NewGap};
use crate::wire::bridge::{Info, RawBlock, Seq};

/// A group is committed when it has this many blocks and no other is waiting: while a slow disk flushes, the next group grows …
const GROUP_BLOCKS: usize = 64;
/// … or this many …
const MOST_BLOCKS: usize = 512;
/// … or when its first block has waited this long.
const GROUP_AGE: Duration = Duration::from_secs(1);

/// A block that comes with the same damage this often, each time as the first of a fresh pull, is damaged in flash. Damage on
/// the way is never twice the same.
const DAMAGED_FOR_GOOD: u32 = 3;

/// Blocks and gaps that are not committed yet.
#[derive(Debug)]
pub struct Intake {
    /// The last number that is explained: by a block or by a gap.
    through: Seq,
    blocks: Vec<NewBlock>,
    gaps: Vec<NewGap>,
    first_at: Option<Instant>,
}

/// What becomes of a block that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is the next one.
    Taken,
    /// Numbers before it are missing.
    Ahead,
    /// It was not asked for.
    Behind,
}

impl Intake {
    /// Nothing pending after `cursor`.
    pub const fn new(cursor: Seq) -> Self {
        Self { through: cursor, blocks: Vec::new(), gaps: Vec::new(), first_at: None }
    }

    /// The next number that is wanted.
    pub const fn expected(&self) -> Seq {
        self.through.next()
    }

    /// Whether there is nothing to commit.
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.gaps.is_empty()
    }

    /// Whether the group is large enough to commit, or would be if `more` were not waiting.
    pub const fn is_full(&self, more: bool) -> bool {
        self.blocks.len() >= if more { MOST_BLOCKS } else { GROUP_BLOCKS }
    }

    /// When the group has to be committed at the latest.
    pub fn due(&self) -> Option<Instant> {
        self.first_at.map(|first| first + GROUP_AGE)
    }

    /// Takes the block if it is the next one.
    pub fn offer(&mut self, block: &RawBlock) -> Offered {
        let header = block.header();
        let (expected, got) = (self.expected(), header.seq);
        if got > expected {
            return Offered::Ahead;
        }
        if got < expected {
            return Offered::Behind;
        }
        self.blocks.push(new_block(block));
        self.through = got;
        self.first_at.get_or_insert_with(Instant::now);
        Offered::Taken
    }

    /// Names the numbers up to `to`, so that the cursor may pass them.
    pub fn explain(&mut self, to: Seq, cause: GapCause, detail: String) {
        self.name(to, cause, detail, None);
    }

    /// Names the next number as a block that is damaged on the watch, and keeps what came of it.
    pub fn explain_corrupt(&mut self, bytes: Bytes) {
        let raw = (!bytes.is_empty()).then_some(bytes);
        self.name(self.expected(), GapCause::Corrupt, "damaged in the watch's flash".to_owned(), raw);
    }

    fn name(&mut self, to: Seq, cause: GapCause, detail: String, raw: Option<Bytes>) {
        if to <= self.through {
            return;
        }
        self.gaps.push(NewGap { from: self.expected(), to, stream: None, cause, detail, raw });
        self.through = to;
        self.first_at.get_or_insert_with(Instant::now);
    }

    /// Names everything before `to`: what the ring has overwritten, and what the watch never used.
    pub fn explain_before(&mut self, to: Seq, window: &Info) {
        let overwritten = window.tail.min(to).previous();
        let told = format!("the watch keeps {} to {}", window.tail, window.head);
        self.explain(overwritten, GapCause::Overwritten, told);
        self.explain(to.previous(), GapCause::Burned, format!("the watch sent {to} when asked for these"));
    }

    /// Hands everything out to be committed.
    pub fn take(&mut self) -> (Vec<NewBlock>, Vec<NewGap>) {
        self.first_at = None;
        (std::mem::take(&mut self.blocks), std::mem::take(&mut self.gaps))
    }
}

/// A block as the outbox takes it.
pub fn new_block(block: &RawBlock) -> NewBlock {
    let header = block.header();
    NewBlock {
        seq: header.seq,
        boot: header.boot,
        t0_ms: header.t0_ms,
        stream: header.stream,
        samples: header.n,
        body: block.bytes().clone(),
    }
}

/// The damage of the block that is due.
#[derive(Debug, Default)]
pub struct Damage {
    bytes: Bytes,
    times: u32,
}

impl Damage {
    /// The block came like this (empty: the watch could not read it). `true` if it will never come otherwise.
    pub fn again(&mut self, bytes: &Bytes) -> bool {
        self.times = if self.bytes == bytes { self.times + 1 } else { 1 };
        self.bytes = bytes.clone();
        self.times >= DAMAGED_FOR_GOOD
    }
}
