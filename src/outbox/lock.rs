//! One process at a time: a lock on `outbox.lock`, which holds our process id for whoever comes second.
//!
//! The lock is the kernel's, so it ends with the process however that ends; a left-over file means nothing.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::OutboxError;

const FILE_NAME: &str = "outbox.lock";

/// The right to use an outbox directory, until dropped.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
    dir: PathBuf,
}

impl DirLock {
    /// Makes the directory if need be and takes the lock.
    pub(super) fn take(dir: &Path) -> Result<Self, OutboxError> {
        let cannot_use = |source| OutboxError::CannotUse { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(cannot_use)?;
        let mut file = open(dir).map_err(cannot_use)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OutboxError::InUse { dir: dir.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(cannot_use(source)),
        }
        // A courtesy to whoever comes second, and no reason to stay away from a disk that is full.
        let _ = write_pid(&mut file);
        Ok(Self { _file: file, dir: dir.to_owned() })
    }

    /// For whoever cannot write there: an error if somebody holds the lock.
    pub(super) fn refuse_if_held(dir: &Path) -> Result<(), OutboxError> {
        let cannot_use = |source| OutboxError::CannotUse { dir: dir.to_owned(), source };
        let mut file = match File::open(dir.join(FILE_NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(cannot_use(error)),
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                Err(OutboxError::InUse { dir: dir.to_owned(), pid: read_pid(&mut file) })
            }
            Err(TryLockError::Error(source)) => Err(cannot_use(source)),
            Ok(()) => Ok(()),
        }
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

fn open(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(dir.join(FILE_NAME))
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
