//! Two files that are there to be long: what a full disk cannot take away from us any more.
//!
//! A write-ahead log that must grow, or that cannot be folded into a database that must, stops everything, deleting included. So the
//! log is grown once at the start, and beside the database lies a ballast that is thrown off when the disk is full after all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::limits::{BALLAST_BYTES, WAL_BYTES};

const FILE_NAME: &str = "outbox.ballast";

/// The ballast beside a database.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
}

impl Ballast {
    pub(super) fn beside(dir: &Path) -> Self {
        Self { path: dir.join(FILE_NAME) }
    }

    pub(super) fn is_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() == BALLAST_BYTES)
    }

    /// Throws it off. `false` if there is none.
    pub(super) fn release(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }

    /// Takes it on board. A ballast that cannot be whole is none.
    pub(super) fn make(&self) -> io::Result<()> {
        if self.is_there() {
            return Ok(());
        }
        let made = self.write();
        if made.is_err() {
            self.release();
        }
        made
    }

    fn write(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        // A file system that compresses makes nothing of zeros, and then there is nothing to throw off.
        let mut noise = vec![0; 64 * 1_024];
        let mut rng = fastrand::Rng::with_seed(0x6e62);
        for _ in 0..BALLAST_BYTES / noise.len() as u64 {
            rng.fill(&mut noise);
            file.write_all(&noise)?;
        }
        file.sync_all()
    }
}

/// Lengthens the write-ahead log with zeros, which SQLite takes for the end of it and writes over. Only while nobody else has it open
/// for writing.
pub(super) fn grow_wal(wal: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(wal)?;
    let length = file.seek(SeekFrom::End(0))?;
    if length >= WAL_BYTES {
        return Ok(());
    }
    let zeros = vec![0; 64 * 1_024];
    let mut missing = WAL_BYTES - length;
    while missing > 0 {
        let step = missing.min(zeros.len() as u64);
        file.write_all(&zeros[..step as usize])?;
        missing -= step;
    }
    File::sync_all(&file)
}
