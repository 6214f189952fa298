//! A copy of the database while it is in use.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Outbox, OutboxError, database};

/// Each step reads so many pages, and lets the writer go on after it.
const STEP_PAGES: i32 = 1_000;
/// What is written while a copy is made may begin it anew. After so many pages, as a multiple of all there are, it has failed.
const TRIES: i64 = 20;

impl Outbox {
    /// Copies the database to `path`, which must not exist, as it was at one moment. Returns how many bytes.
    pub async fn backup(&self, path: &Path) -> Result<u64, OutboxError> {
        let (dir, to) = (self.house.dir.clone(), path.to_owned());
        super::off_the_runtime(move || {
            let made = make(&dir, &to);
            if matches!(&made, Err(error) if !matches!(error, OutboxError::BackupExists { .. })) {
                let _ = fs::remove_file(&to);
            }
            made.map_err(|error| error.placed(&dir))
        })
        .await
    }
}

fn make(dir: &Path, to: &Path) -> Result<u64, OutboxError> {
    let cannot_write = |source| OutboxError::CannotUse { dir: to.to_owned(), source };
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(to) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(OutboxError::BackupExists { path: to.to_owned() });
        }
        Err(error) => return Err(cannot_write(error)),
    }
    let (source, mut target) = (database::open_reader(dir)?, database::connect(to)?);
    copy(&source, &mut target, to)?;
    // A copy is one file: nothing beside it.
    let _: String = target.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    target.close().map_err(|(_, error)| error)?;
    let file = fs::File::open(to).and_then(|file| file.sync_all().and_then(|()| file.metadata()));
    file.map(|file| file.len()).map_err(cannot_write)
}

fn copy(source: &Connection, target: &mut Connection, to: &Path) -> Result<(), OutboxError> {
    let pages: i64 = source.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let steps = TRIES * (pages / i64::from(STEP_PAGES) + 10);
    let backup = Backup::new(source, target)?;
    for _ in 0..steps {
        if backup.step(STEP_PAGES)? == StepResult::Done {
            return Ok(());
        }
        // Whoever waits for the processor goes first; the writer waits for nothing here, since a look into the log locks nobody out.
        std::thread::yield_now();
    }
    Err(OutboxError::BackupTooSlow { path: to.to_owned() })
}
