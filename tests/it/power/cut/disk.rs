//! A disk that keeps what was flushed, and of the rest what luck leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::trace::Operation;

/// What a drive writes in one piece.
const SECTOR: usize = 512;

/// What becomes of writes that were not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// None of them reached the disk.
    All,
    /// All of them did.
    Nothing,
    /// Each by itself did or did not.
    Some,
    /// As before, and those that did not may have begun to.
    Torn,
}

impl Loss {
    pub const ALL: [Self; 4] = [Self::All, Self::Nothing, Self::Some, Self::Torn];
}

/// Files, by name.
#[derive(Debug, Default)]
pub struct Disk {
    files: BTreeMap<String, Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    flushed: Vec<u8>,
    waiting: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

impl Disk {
    /// Does what the program did.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { file, at, bytes } => self.wait(file, Change::Write(*at, bytes.clone())),
            Operation::Resize { file, size } => self.wait(file, Change::Resize(*size)),
            Operation::Flush { file } => self.files.entry(file.clone()).or_default().flush(),
            Operation::Remove { file } => drop(self.files.remove(file)),
            Operation::Rename { from, to } => {
                if let Some(contents) = self.files.remove(from) {
                    self.files.insert(to.clone(), contents);
                }
            }
            Operation::Promised(_) => {}
        }
    }

    fn wait(&mut self, file: &str, change: Change) {
        self.files.entry(file.to_owned()).or_default().waiting.push(change);
    }

    /// Writes to `dir` what is found when the power is back. SQLite's index of the log lives in memory and is never found.
    pub fn lose_power(self, loss: Loss, rng: &mut fastrand::Rng, dir: &Path) {
        for (name, contents) in self.files.into_iter().filter(|(name, _)| !name.ends_with("-shm")) {
            fs::write(dir.join(name), contents.left(loss, rng)).unwrap();
        }
    }
}

impl Contents {
    fn flush(&mut self) {
        for change in std::mem::take(&mut self.waiting) {
            change.reach(&mut self.flushed);
        }
    }

    fn left(mut self, loss: Loss, rng: &mut fastrand::Rng) -> Vec<u8> {
        for change in self.waiting {
            let reached = match loss {
                Loss::All => false,
                Loss::Nothing => true,
                Loss::Some | Loss::Torn => rng.bool(),
            };
            match change {
                change if reached => change.reach(&mut self.flushed),
                Change::Write(at, mut bytes) if loss == Loss::Torn => {
                    bytes.truncate(rng.usize(..=bytes.len() / SECTOR) * SECTOR);
                    Change::Write(at, bytes).reach(&mut self.flushed);
                }
                _ => {}
            }
        }
        self.flushed
    }
}

impl Change {
    fn reach(self, file: &mut Vec<u8>) {
        match self {
            Self::Write(_, bytes) if bytes.is_empty() => {}
            Self::Write(at, bytes) => {
                file.resize(file.len().max(at + bytes.len()), 0);
                file[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            Self::Resize(size) => file.resize(size, 0),
        }
    }
}
