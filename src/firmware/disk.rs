//! What the store does with the disk: off the runtime's threads, and so that a power cut leaves old or new.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::StoreError;

pub(super) const OWNER_ONLY: u32 = 0o600;

/// Runs slow work on a thread that may block.
pub(super) async fn off_thread<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::CutShort))
}

/// A small file as a whole, old or new, whatever happens meanwhile.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(StoreError::at(path))
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::at(path)(error)),
        _ => Ok(()),
    }
}

/// What a file holds; `None` if it is not there, or larger than anything of ours.
pub(super) fn read_up_to(path: &Path, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
        io::Result::Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= most))
    };
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map_err(StoreError::at(path)),
    }
}
