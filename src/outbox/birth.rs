//! Making a new database: under another name, and renamed when it is complete, so that a power cut leaves either none or
//! a whole one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::params;
use uuid::Uuid;

use super::{OutboxError, aside, database, migrate, pragmas, salvage};
use crate::measurement::UtcMicros;

/// Makes an empty outbox at `path`, which is in `dir`. The lock is held, so nobody else does.
pub(super) fn make(dir: &Path, path: &Path, now: UtcMicros) -> Result<(), OutboxError> {
    refuse_orphaned_log(path)?;
    let cannot_use = |source| OutboxError::CannotUse { dir: dir.to_owned(), source };
    let unborn = path.with_extension("new");
    create(&unborn).map_err(cannot_use)?;
    fill(&unborn, now, aside::latest(dir).as_deref())?;
    publish(dir, &unborn, path).map_err(cannot_use)
}

/// Next to an empty database SQLite would throw the log away, and with it everything that was committed to it.
fn refuse_orphaned_log(path: &Path) -> Result<(), OutboxError> {
    if database::size_of(&database::wal_of(path)).is_ok_and(|bytes| bytes == 0) {
        return Ok(());
    }
    let detail = "the file is empty or gone but its write-ahead log is not".to_owned();
    Err(OutboxError::Corrupt { path: path.to_owned(), detail })
}

/// An empty file that only its owner may read: health data. SQLite gives its side files the same mode.
fn create(unborn: &Path) -> io::Result<()> {
    for suffix in ["new", "new-wal", "new-shm", "new-journal"] {
        match fs::remove_file(unborn.with_extension(suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(unborn).map(drop)
}

/// What was moved aside and not fetched yet is fetched now: its ledger at once, so that nobody sees the database without it.
fn fill(unborn: &Path, now: UtcMicros, damaged: Option<&Path>) -> Result<(), OutboxError> {
    let mut connection = database::connect(unborn)?;
    pragmas::for_birth(&connection)?;
    migrate::run(&mut connection)?;
    // A random name per file: numbers and keys of a database made anew never mix with those of the one before.
    let facts = [("queue_id", Uuid::new_v4().to_string()), ("created_us", now.0.to_string())];
    for (key, value) in facts {
        connection.execute(sql!("meta_insert"), params![key, value])?;
    }
    if let Some(damaged) = damaged {
        salvage::take_ledger(&mut connection, damaged, now)?;
    }
    connection.close().map_err(|(_, error)| error.into())
}

fn publish(dir: &Path, unborn: &Path, path: &Path) -> io::Result<()> {
    File::open(unborn)?.sync_all()?;
    fs::rename(unborn, path)?;
    File::open(dir)?.sync_all()?;
    // The directory may be new as well. A parent that we may not open was not made by us.
    dir.parent().and_then(|parent| File::open(parent).ok()).map_or(Ok(()), |parent| parent.sync_all())
}
