//! What is truly on the watch, for reconciliation: whatever a host claims to have is held against this.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::SimWatch;
use crate::wire::bridge::{AnchorRecord, Boot, LogId, RawBlock, Sample, Seq, Stream};

/// What a log holds, read from the flash itself and not through the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchLedger {
    /// Which log.
    pub log_id: LogId,
    /// The numbers of all sound blocks, oldest first.
    pub blocks: Vec<Seq>,
    /// Their samples, in the order in which they were sealed.
    pub samples: BTreeMap<Stream, Vec<(Boot, Sample)>>,
    /// The anchors among them.
    pub anchors: Vec<(Boot, AnchorRecord)>,
    /// Blocks that no host will be able to read.
    pub damaged: Vec<Seq>,
    /// What happened to everything else.
    pub counts: Counts,
}

/// Every block that was ever sealed, whatever has become of it since.
pub type Diary = BTreeMap<(LogId, Seq), Bytes>;

/// Where samples went, since the simulation started or the log did. As long as nothing is damaged,
/// `recorded = in the ledger + in_ram + overwritten_samples + lost_in_ram`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples recorded.
    pub recorded: u64,
    /// Samples not sealed yet.
    pub in_ram: u64,
    /// Samples that a power cut took before they were sealed.
    pub lost_in_ram: u64,
    /// Samples in blocks that made room for newer ones.
    pub overwritten_samples: u64,
    /// Those blocks, anchors too.
    pub overwritten_blocks: u64,
    /// Block numbers that will never be used, because a power cut tore a page.
    pub burned_numbers: u64,
}

impl WatchLedger {
    /// All samples on the watch.
    pub fn sample_count(&self) -> u64 {
        self.samples.values().map(|samples| samples.len() as u64).sum()
    }
}

impl SimWatch {
    /// From now on writes down each block at the moment it is sealed.
    pub fn keep_diary(&mut self) {
        self.diary.get_or_insert_default();
    }

    /// What was written down since [`SimWatch::keep_diary`].
    pub fn diary(&self) -> Diary {
        self.diary.clone().unwrap_or_default()
    }

    /// What is truly on the watch now.
    pub fn ledger(&self) -> WatchLedger {
        let mut ledger = WatchLedger {
            log_id: self.plate.log_id,
            blocks: Vec::new(),
            samples: BTreeMap::new(),
            anchors: Vec::new(),
            damaged: Vec::new(),
            counts: Counts { in_ram: self.recorder.samples(), ..self.counts },
        };
        for (seq, bytes) in self.ring.blocks(&self.flash) {
            let list =
                if ledger.enter(seq, bytes).is_some() { &mut ledger.blocks } else { &mut ledger.damaged };
            list.push(seq);
        }
        ledger
    }
}

impl WatchLedger {
    fn enter(&mut self, seq: Seq, bytes: &[u8]) -> Option<()> {
        let block = RawBlock::parse(Bytes::copy_from_slice(bytes)).ok()?;
        let header = block.header();
        if header.seq != seq {
            return None;
        }
        if header.stream == Stream::ANCHORS {
            self.anchors.push((header.boot, AnchorRecord::decode(block.payload()).ok()?));
        } else {
            let samples = block.samples().ok()?;
            let boot = header.boot;
            self.samples.entry(header.stream).or_default().extend(samples.into_iter().map(|s| (boot, s)));
        }
        Some(())
    }
}
