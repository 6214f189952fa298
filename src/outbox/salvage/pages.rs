//! The pages of a database file, as they were last committed, without SQLite: what it cannot reach may be whole all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::outbox::aside;

/// What new databases have, and what older ones have.
const SIZES: [u32; 2] = [2_048, 4_096];
const HEADER: usize = 100;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;
const WAL_MAGIC: u32 = 0x377F_0682;

/// A database file and its write-ahead log.
pub(super) struct Pages {
    file: Option<File>,
    log: Option<File>,
    /// Where in the log the newest copy of a page stands.
    in_log: BTreeMap<u32, u64>,
    /// Pages that hold only what was deleted.
    free: BTreeSet<u32>,
    size: u32,
    count: u32,
}

impl Pages {
    /// Opens them. Of a file whose header is lost, `size` says how large its pages are; `None` if nothing says so.
    pub(super) fn open(path: &Path, size: Option<u32>) -> Option<Self> {
        let file = File::open(path).ok().filter(|file| length(file) > 0);
        let log = File::open(aside::with(path, "-wal")).ok().filter(|log| length(log) > WAL_HEADER);
        let size = log.as_ref().and_then(of_log).or_else(|| file.as_ref().and_then(of_header)).or(size)?;
        let mut pages = Self { file, log, in_log: BTreeMap::new(), free: BTreeSet::new(), size, count: 0 };
        pages.index_log();
        let in_file = pages.file.as_ref().map_or(0, |file| length(file) / u64::from(size));
        let last_in_log = pages.in_log.keys().next_back().copied().unwrap_or(0);
        pages.count = u32::try_from(in_file).unwrap_or(u32::MAX).max(last_in_log);
        pages.list_free();
        Some(pages)
    }

    /// The sizes that are worth trying where nothing says how large the pages are.
    pub(super) fn guesses(path: &Path) -> Vec<u32> {
        match Self::open(path, None) {
            Some(pages) => vec![pages.size],
            None => SIZES.to_vec(),
        }
    }

    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// Pages are counted from 1 up to this.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// A page that is in use, as it was last committed. `None` if it is free, beyond the end, or the disk cannot read it.
    pub(super) fn in_use(&self, number: u32) -> Option<Vec<u8>> {
        if self.free.contains(&number) { None } else { self.page(number) }
    }

    pub(super) fn page(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.size as usize];
        let read = match (self.in_log.get(&number), &self.log, &self.file) {
            (Some(at), Some(log), _) => log.read_exact_at(&mut page, *at),
            (None, _, Some(file)) => {
                file.read_exact_at(&mut page, u64::from(number.checked_sub(1)?) * u64::from(self.size))
            }
            _ => return None,
        };
        read.ok().map(|()| page)
    }

    /// Finds the newest copy of each page, up to the last commit.
    fn index_log(&mut self) {
        let Some(log) = &self.log else { return };
        let mut salts = [0; 8];
        if log.read_exact_at(&mut salts, 16).is_err() {
            return;
        }
        let (mut at, mut since_commit) = (WAL_HEADER, Vec::new());
        let mut header = [0; FRAME_HEADER as usize];
        // What is behind the first frame of an earlier round is older than everything before it.
        while log.read_exact_at(&mut header, at).is_ok() && header[8..16] == salts {
            since_commit.push((number(&header, 0), at + FRAME_HEADER));
            if number(&header, 4) != 0 {
                self.in_log.extend(since_commit.drain(..));
            }
            at += FRAME_HEADER + u64::from(self.size);
        }
    }

    fn list_free(&mut self) {
        let Some(first) = self.page(1).filter(|page| page.starts_with(MAGIC)) else { return };
        let mut trunk = number(&first, 32);
        while trunk != 0 && trunk <= self.count && self.free.insert(trunk) {
            let Some(page) = self.page(trunk) else { return };
            let most = page.len() / 4 - 2;
            let leaves = (number(&page, 4) as usize).min(most);
            self.free.extend((0..leaves).map(|leaf| number(&page, 8 + 4 * leaf)));
            trunk = number(&page, 0);
        }
    }
}

/// Four bytes at a place that is known to be there.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |file| file.len())
}

fn of_header(file: &File) -> Option<u32> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0).ok()?;
    let size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u32::from(size),
    };
    (header.starts_with(MAGIC) && is_possible(size)).then_some(size)
}

fn of_log(log: &File) -> Option<u32> {
    let read = || -> io::Result<[u8; 12]> {
        let mut header = [0; 12];
        log.read_exact_at(&mut header, 0)?;
        Ok(header)
    };
    let header = read().ok()?;
    let size = number(&header, 8);
    (number(&header, 0) & !1 == WAL_MAGIC && is_possible(size)).then_some(size)
}

const fn is_possible(size: u32) -> bool {
    size.is_power_of_two() && size >= 512 && size <= 65_536
}
