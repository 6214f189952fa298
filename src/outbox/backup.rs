//! A copy of the database while it is in use.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Outbox, OutboxError, check, database, still};
use crate::draft::Draft;

/// Each step reads so many pages, and lets the writer go on after it.
const STEP_PAGES: i32 = 1_000;
/// What is written while a copy is made may begin it anew. After so many pages, as a multiple of all there are, it has failed.
const TRIES: i64 = 20;

impl Outbox {
    /// Copies the database to `path`, which must not exist, as it was at one moment. Returns how many bytes.
    /// The copy is looked through, and on the disk, before it gets its name.
    pub async fn backup(&self, path: &Path) -> Result<u64, OutboxError> {
        let (dir, to, is_still) = (self.house.dir.clone(), path.to_owned(), self.house.still.is_some());
        super::off_the_runtime(move || {
            let draft = Draft::create(&to).map_err(|source| match source.kind() {
                ErrorKind::AlreadyExists => OutboxError::BackupExists { path: to.clone() },
                _ => cannot_write(&to, source),
            })?;
            let open = if is_still { still::open_reader } else { database::open_reader };
            let source = open(&dir).map_err(|error| error.placed(&dir))?;
            make(&source, &draft, &to)?;
            let bytes = fs::metadata(draft.place()).map_err(|source| cannot_write(&to, source))?.len();
            draft.publish().map_err(|source| match source.kind() {
                ErrorKind::AlreadyExists => OutboxError::BackupExists { path: to.clone() },
                _ => cannot_write(&to, source),
            })?;
            Ok(bytes)
        })
        .await
    }
}

fn cannot_write(path: &Path, source: io::Error) -> OutboxError {
    OutboxError::File { path: path.to_owned(), doing: "written", source }
}

fn make(source: &Connection, draft: &Draft, to: &Path) -> Result<(), OutboxError> {
    // What SQLite says of the copy is not said of the outbox.
    let of_copy = |error: OutboxError| match error.placed(to) {
        OutboxError::DiskFull { source, .. } => {
            cannot_write(to, io::Error::new(ErrorKind::StorageFull, format!("the disk is full ({source})")))
        }
        OutboxError::Sql(source) => cannot_write(to, io::Error::other(source)),
        other => other,
    };
    let mut target = database::connect(draft.place()).map_err(|error| of_copy(error.into()))?;
    copy(source, &mut target, to).map_err(of_copy)?;
    // A copy is one file: nothing beside it.
    let alone = target.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0));
    alone.map_err(|error| of_copy(error.into()))?;
    if let Some(detail) = check::damage(&target).map_err(of_copy)? {
        return Err(OutboxError::BackupDamaged { path: to.to_owned(), detail });
    }
    target.close().map_err(|(_, error)| of_copy(error.into()))
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
