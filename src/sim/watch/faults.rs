//! Watches that misbehave, so that a host can be shown to notice.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use crc::{CRC_32_ISCSI, Crc};
use fastrand::Rng;

use super::SimWatch;
use crate::wire::bridge::{BlockHeader, RawBlock, Seq};

static CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What a faulty watch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// A bit of a stored block fades: its CRC is wrong each time it is read.
    CorruptStored(Seq),
    /// The block's CRC is wrong the next time it is read, and right afterwards.
    CorruptOnce(Seq),
    /// The block claims another number of samples than it holds, under a right CRC.
    LieInCount {
        /// Which block.
        seq: Seq,
        /// What it claims.
        n: u16,
    },
    /// The newest blocks are forgotten and their numbers used again, in the same log.
    RollBack {
        /// How many.
        blocks: u32,
    },
}

/// Faults on the way from flash to the radio.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    corrupt_once: BTreeSet<Seq>,
    counts: BTreeMap<Seq, u16>,
}

impl Misbehaviour {
    /// A misbehaviour that this watch is able to, by chance. `None` if its log is empty.
    pub fn any(watch: &SimWatch, rng: &mut Rng) -> Option<Self> {
        let blocks = watch.ledger().blocks;
        let seq = *blocks.get(rng.usize(..blocks.len().max(1)))?;
        Some(match rng.u8(..4) {
            0 => Self::CorruptStored(seq),
            1 => Self::CorruptOnce(seq),
            2 => Self::LieInCount { seq, n: rng.u16(..) },
            _ => Self::RollBack { blocks: rng.u32(1..=blocks.len() as u32) },
        })
    }
}

impl SimWatch {
    /// Misbehaves. `false` if there is no such block.
    pub fn misbehave(&mut self, how: Misbehaviour) -> bool {
        match how {
            Misbehaviour::CorruptOnce(seq) | Misbehaviour::LieInCount { seq, .. }
                if self.ring.place(&self.flash, seq).is_none() =>
            {
                return false;
            }
            Misbehaviour::CorruptStored(seq) => return self.fade(seq),
            Misbehaviour::CorruptOnce(seq) => {
                self.faults.corrupt_once.insert(seq);
            }
            Misbehaviour::LieInCount { seq, n } => {
                self.faults.counts.insert(seq, n);
            }
            Misbehaviour::RollBack { blocks } => {
                self.ring.roll_back(&mut self.flash, blocks);
                self.plate.next = self.ring.next();
                self.plate.write(&mut self.flash);
            }
        }
        true
    }

    /// Clears a bit of a stored block, behind the length that leads to the next one.
    fn fade(&mut self, seq: Seq) -> bool {
        let Some((page, place)) = self.ring.place(&self.flash, seq) else { return false };
        let behind_length = place.start + 2..place.end;
        let Some(at) = behind_length.rev().find(|&at| self.flash.page(page)[at] != 0) else { return false };
        let byte = self.flash.page(page)[at];
        self.flash.program(page, at, &[byte & (byte - 1)]);
        true
    }
}

impl Faults {
    /// A block as it leaves the watch.
    pub(super) fn serve(&mut self, seq: Seq, block: Bytes) -> Bytes {
        let mut block = match self.counts.get(&seq) {
            Some(&n) => with_count(&block, n).unwrap_or(block),
            None => block,
        };
        if self.corrupt_once.remove(&seq) {
            let mut damaged = block.to_vec();
            if let Some(last) = damaged.last_mut() {
                *last ^= 1;
            }
            block = damaged.into();
        }
        block
    }
}

/// The same block with another count in its header.
fn with_count(block: &Bytes, n: u16) -> Option<Bytes> {
    let block = RawBlock::parse(block.clone()).ok()?;
    let mut body = postcard::to_stdvec(&BlockHeader { n, ..*block.header() }).ok()?;
    body.extend(block.payload());
    let mut bytes = postcard::to_stdvec(&body.len()).ok()?;
    bytes.extend(&body);
    bytes.extend(CASTAGNOLI.checksum(&body).to_le_bytes());
    Some(bytes.into())
}
