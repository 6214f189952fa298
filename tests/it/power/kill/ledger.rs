//! The watch's side of the story, as `sim-watch --ledger` writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;

/// What the watch gave away, and what it was told is safe.
#[derive(Debug, Default)]
pub struct Ledger {
    /// When ticks were zero, µs since 1970.
    pub boot_utc_us: Option<i64>,
    /// Each block that was given away.
    pub given: BTreeMap<u32, Bytes>,
    /// How often a block was given that had been given before.
    pub repeated: u64,
    /// The watch was told that everything up to here is safe.
    pub acked: u32,
}

impl Ledger {
    /// Reads it while it may still be written: a line without an end is not there yet.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut ledger = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["boot", "1", utc] => ledger.boot_utc_us = Some(utc.parse().unwrap()),
                ["gave", seq, block] => ledger.gave(seq.parse().unwrap(), hex::decode(block).unwrap().into()),
                ["acked", seq] => ledger.acked = ledger.acked.max(seq.parse().unwrap()),
                _ => panic!("{line:?} in the ledger"),
            }
        }
        ledger
    }

    fn gave(&mut self, seq: u32, block: Bytes) {
        if let Some(before) = self.given.insert(seq, block) {
            assert_eq!(before, self.given[&seq], "the watch gave two blocks {seq}");
            self.repeated += 1;
        }
    }
}
