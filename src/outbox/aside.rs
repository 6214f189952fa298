//! Moving a damaged database out of the way. Nothing is ever deleted: what could not be read today may be read by somebody else.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::OutboxError;
use super::database::{self, FILE_NAME};

/// Lies beside a database in which damage was found while it was in use: the next start looks at all of it.
const MARK: &str = "outbox.damaged";

/// Gives the database and its side files another name, and says which.
pub(super) fn move_aside(dir: &Path) -> io::Result<PathBuf> {
    let path = dir.join(FILE_NAME);
    let taken = numbered(dir).take_while(|aside| is_taken(aside)).count();
    let aside = numbered(dir).nth(taken).unwrap_or_else(|| path.clone());
    // The database last: as long as it is there, the next start does all this again.
    for suffix in ["-wal", "-shm", ""] {
        match fs::rename(with(&path, suffix), with(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    File::open(dir)?.sync_all()?;
    Ok(aside)
}

/// The database that was moved aside last, if there is still something to be fetched from it.
pub(super) fn latest(dir: &Path) -> Option<PathBuf> {
    let is_of_use = |aside: &PathBuf| {
        let holds = |file: &Path| database::size_of(file).is_ok_and(|bytes| bytes > 0);
        !with(aside, ".done").exists() && (holds(aside) || holds(&with(aside, "-wal")))
    };
    numbered(dir).take_while(|aside| is_taken(aside)).filter(is_of_use).last()
}

fn numbered(dir: &Path) -> impl Iterator<Item = PathBuf> {
    (1_u32..).map(move |number| dir.join(format!("{FILE_NAME}.corrupt-{number}")))
}

/// A write-ahead log may have been left without its database.
fn is_taken(aside: &Path) -> bool {
    aside.exists() || with(aside, "-wal").exists()
}

/// Nothing more will be fetched from it.
pub(super) fn is_done_with(aside: &Path) -> io::Result<()> {
    File::create(with(aside, ".done")).map(drop)
}

/// Deletes those that everything was fetched from: for whoever wants something forgotten.
pub(super) fn erase_done(dir: &Path) -> io::Result<()> {
    for aside in numbered(dir).take_while(|aside| is_taken(aside)) {
        if !with(&aside, ".done").exists() {
            continue;
        }
        // The name stays taken, so that those after it are still found.
        File::create(&aside)?.sync_all()?;
        for suffix in ["-wal", "-shm"] {
            match fs::remove_file(with(&aside, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

pub(super) fn mark(dir: &Path) -> io::Result<()> {
    File::create(dir.join(MARK))?.sync_all()
}

/// Marks the database if the error says that it is damaged.
pub(super) fn mark_if_damaged(dir: &Path, error: &OutboxError) {
    let OutboxError::Corrupt { detail, .. } = error else { return };
    if !is_marked(dir) && mark(dir).is_ok() {
        tracing::error!(
            damage = detail,
            "The outbox is damaged; restart nowbridge to have it moved aside and salvaged."
        );
    }
}

pub(super) fn is_marked(dir: &Path) -> bool {
    dir.join(MARK).exists()
}

pub(super) fn unmark(dir: &Path) {
    let _ = fs::remove_file(dir.join(MARK));
}

pub(super) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
