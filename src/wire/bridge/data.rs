//! The block stream in notifications.
//!
//! ```text
//! u8   b0-5 counter mod 64 (restarts at 0 with each pull) | b6 a block starts at byte 1 | b7 last of this window
//! ..   a slice of the block stream, blocks back to back
//! ```
//!
//! The watch fills every notification, in the middle of a block if need be: blocks of 233 bytes on average, one to a
//! notification of 244, would waste a twentieth of the link. After any hole the host drops the rest and pulls again.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::block::{BlockError, RawBlock};

const COUNTER: u8 = 0x3F;
const BLOCK_START: u8 = 0x40;
const LAST: u8 = 0x80;

/// The watch's side: cuts blocks into notifications.
#[derive(Debug, Default)]
pub struct Slicer {
    counter: u8,
    /// The rest of a block that did not fit one notification.
    rest: Bytes,
    /// A block that waits for the next notification.
    waiting: VecDeque<Bytes>,
}

impl Slicer {
    /// For a new pull.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next notification of at most `room` bytes (at least 2). `next` yields the blocks to send; `None` ends the window.
    pub fn next(&mut self, room: usize, mut next: impl FnMut() -> Option<Bytes>) -> Option<Bytes> {
        let mut out = BytesMut::with_capacity(room);
        let mut flags = self.counter & COUNTER;
        out.extend([0]);
        if !self.rest.is_empty() {
            let part = self.rest.split_to(self.rest.len().min(room - 1));
            out.extend(part);
        }
        while let Some(mut block) = self.waiting.pop_front().or_else(&mut next) {
            let left = room - out.len();
            if left == 0 {
                self.waiting.push_front(block);
                break;
            }
            if out.len() == 1 {
                flags |= BLOCK_START;
            }
            out.extend(block.split_to(block.len().min(left)));
            self.rest = block;
        }
        if out.len() == 1 {
            return None;
        }
        if self.rest.is_empty() && self.waiting.is_empty() {
            match next() {
                Some(block) => self.waiting.push_back(block),
                None => flags |= LAST,
            }
        }
        self.counter = self.counter.wrapping_add(1);
        out[0] = flags;
        Some(out.freeze())
    }
}

/// What makes the host pull again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// A notification without a single byte.
    #[error("an empty notification")]
    Empty,
    /// Notifications are missing.
    #[error("notification {got} came where {expected} was due")]
    Missing {
        /// Counter that was due.
        expected: u8,
        /// Counter that came.
        got: u8,
    },
    /// The flag and the stream disagree on where a block starts.
    #[error("a block starts in the middle of another, or the other way round")]
    Misaligned,
    /// A block is damaged.
    #[error("a damaged block: {0}")]
    Block(#[from] BlockError),
}

/// The host's side: puts blocks together again. Make a new one for each pull.
#[derive(Debug, Default)]
pub struct Assembler {
    counter: u8,
    partial: BytesMut,
    failed: Option<DataError>,
    damaged: Option<Bytes>,
}

impl Assembler {
    /// For a new pull.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a notification and appends the blocks that it completes to `blocks`; `true` says the window ends here. After an
    /// error nothing more can be read until the next pull; blocks appended before it are good.
    pub fn push(&mut self, notification: &[u8], blocks: &mut Vec<RawBlock>) -> Result<bool, DataError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        self.read(notification, blocks).inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// The bytes of the block that failed its check, if that was the error.
    pub fn take_damaged(&mut self) -> Option<Bytes> {
        self.damaged.take()
    }

    fn read(&mut self, notification: &[u8], blocks: &mut Vec<RawBlock>) -> Result<bool, DataError> {
        let (&flags, slice) = notification.split_first().ok_or(DataError::Empty)?;
        let (expected, got) = (self.counter & COUNTER, flags & COUNTER);
        if got != expected {
            return Err(DataError::Missing { expected, got });
        }
        if (flags & BLOCK_START != 0) != self.partial.is_empty() {
            return Err(DataError::Misaligned);
        }
        self.counter = self.counter.wrapping_add(1);
        self.partial.extend(slice);
        loop {
            let length = RawBlock::length(&self.partial);
            let length = length.inspect_err(|_| self.damaged = Some(self.partial.clone().freeze()))?;
            let Some(length) = length else { break };
            if self.partial.len() < length {
                break;
            }
            let block = self.partial.copy_to_bytes(length);
            let sound = RawBlock::parse(block.clone()).inspect_err(|_| self.damaged = Some(block))?;
            blocks.push(sound);
        }
        Ok(flags & LAST != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measurement::Quality;
    use crate::wire::bridge::{Boot, Sample, Seq, Stream, seal};

    fn block(seq: u32, samples: u64) -> Bytes {
        let sample = |index: u64| Sample {
            at_ms: 1_000 * index,
            value: (index * index % 251) as i32,
            quality: Quality::BEST,
        };
        seal(Seq(seq), Boot(1), Stream::HEART_RATE, &(0..samples).map(sample).collect::<Vec<_>>())
    }

    fn sliced(blocks: &[Bytes], room: usize) -> Vec<Bytes> {
        let (mut slicer, mut source) = (Slicer::new(), blocks.iter().cloned());
        std::iter::from_fn(|| slicer.next(room, || source.next())).collect()
    }

    proptest! {
        #[test]
        fn blocks_survive_any_mtu(sizes in proptest::collection::vec(1_u64..120, 1..40), room in 2_usize..520) {
            let blocks: Vec<Bytes> = sizes.iter().zip(1..).map(|(&samples, seq)| block(seq, samples)).collect();
            let notifications = sliced(&blocks, room);
            let (mut assembler, mut back) = (Assembler::new(), Vec::new());
            for (index, notification) in notifications.iter().enumerate() {
                prop_assert!(notification.len() <= room);
                let last = assembler.push(notification, &mut back).unwrap();
                prop_assert_eq!(last, index + 1 == notifications.len());
            }
            let back: Vec<Bytes> = back.iter().map(|block| block.bytes().clone()).collect();
            prop_assert_eq!(back, blocks);
        }

        /// Whatever is lost or damaged on the way, a block that comes out is one that went in.
        #[test]
        fn nothing_false_comes_out(
            sizes in proptest::collection::vec(1_u64..120, 1..40), room in 20_usize..250,
            lose in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
        ) {
            let blocks: Vec<Bytes> = sizes.iter().zip(1..).map(|(&samples, seq)| block(seq, samples)).collect();
            let mut notifications: Vec<Vec<u8>> = sliced(&blocks, room).iter().map(|bytes| bytes.to_vec()).collect();
            let hit = flip.index(notifications.len());
            let bit = flip.index(notifications[hit].len() * 8);
            notifications[hit][bit / 8] ^= 1 << (bit % 8);
            notifications.remove(lose.index(notifications.len()));
            let (mut assembler, mut back) = (Assembler::new(), Vec::new());
            for notification in &notifications {
                if assembler.push(notification, &mut back).is_err() {
                    break;
                }
            }
            for (block, sent) in back.iter().zip(&blocks) {
                prop_assert_eq!(block.bytes(), sent);
            }
        }
    }

    #[test]
    fn every_notification_but_the_last_is_full() {
        let blocks: Vec<Bytes> = (1..20).map(|seq| block(seq, 80)).collect();
        let notifications = sliced(&blocks, 244);
        let (last, others) = notifications.split_last().unwrap();
        assert!(others.iter().all(|notification| notification.len() == 244 && notification[0] & LAST == 0));
        assert_eq!(last[0] & LAST, LAST);
    }
}
