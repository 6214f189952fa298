//! What can go wrong in the outbox.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::{BatchKey, BatchState, ErrandKey, LogKey, Position, SessionKey, Span};
use crate::wire::bridge::Seq;

/// Why the outbox refused. After an error nothing of the call has been applied.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The directory cannot be made or written.
    #[error("cannot use {} for the outbox; give this user a directory it may write to, or name another", dir.display())]
    CannotUse {
        /// The outbox directory.
        dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process, or another handle in this one, has it open.
    #[error("{} is in use by {}; stop that one first, or name another directory", dir.display(), holder(*pid))]
    InUse {
        /// The outbox directory.
        dir: PathBuf,
        /// Who holds it, if the lock file says so.
        pid: Option<u32>,
    },
    /// The SQLite that this program was built with may lose commits.
    #[error("SQLite {found} may lose commits in WAL mode; build nowbridge with 3.51.3 or newer")]
    UnsafeSqlite {
        /// Its version.
        found: &'static str,
    },
    /// SQLite did not take a setting that durability rests on.
    #[error(
        "SQLite answered {got} when asked for {pragma} = {wanted}; is the file on an unusual file system?"
    )]
    Pragma {
        /// The setting's name.
        pragma: &'static str,
        /// What it must be.
        wanted: String,
        /// What it is.
        got: String,
    },
    /// A newer nowbridge wrote this database.
    #[error("{} has schema {found}, this nowbridge knows up to {known}; update nowbridge", path.display())]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// The file is something else. It was left as it is.
    #[error("{} is not a nowbridge outbox; move it away or name another directory", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database is damaged. The next start moves it aside and salvages what can be read.
    #[error("{} is damaged ({detail}); restart nowbridge, which moves it aside and fetches what can be read into a new one", path.display())]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// No room on the disk.
    #[error("the disk that holds {} is full; free some space", dir.display())]
    DiskFull {
        /// The outbox directory.
        dir: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The outbox has all the room that it may take.
    #[error("the outbox in {} is full: it has reached its max_size of {} MiB; it takes more when something was sent, or raise max_size", dir.display(), max_size >> 20)]
    CapReached {
        /// The outbox directory.
        dir: PathBuf,
        /// The cap, in bytes.
        max_size: u64,
    },
    /// What the disk has left is for others.
    #[error("the disk that holds {} is full but for what keep_free leaves to others ({} MiB); free some space", dir.display(), keep_free >> 20)]
    NoHeadroom {
        /// The outbox directory.
        dir: PathBuf,
        /// What is left to others, in bytes.
        keep_free: u64,
    },
    /// A look at the outbox took so long that its write-ahead log grew.
    #[error("a long look at the outbox in {} was ended, since its log could not be folded; look again", dir.display())]
    Interrupted {
        /// The outbox directory.
        dir: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Somebody else (a database shell, say) kept the database locked for longer than we wait.
    #[error("another program keeps the database in {} locked", dir.display())]
    Busy {
        /// The outbox directory.
        dir: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A backup never writes over anything.
    #[error("{} is there already; a backup writes over nothing, so name another file", path.display())]
    BackupExists {
        /// The file.
        path: PathBuf,
    },
    /// The copy is not what it should be. It was removed.
    #[error("the backup to {} was made and is damaged ({detail}); `nowbridge outbox check` tells whether the outbox is, too", path.display())]
    BackupDamaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A file that is named, beside the outbox, cannot be read or written.
    #[error("{} cannot be {doing}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was to be done.
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing in a file looks like blocks of an outbox.
    #[error("{} holds no block of an outbox; is it another file?", path.display())]
    NothingToSalvage {
        /// The file.
        path: PathBuf,
    },
    /// Not all of a damaged database is here yet.
    #[error("blocks are still being fetched from {}; let `nowbridge outbox salvage` finish that first, and run this again", dir.join(file).display())]
    Salvaging {
        /// The outbox directory.
        dir: PathBuf,
        /// The damaged database.
        file: String,
    },
    /// So much is written to the outbox that a copy of one moment is never complete.
    #[error("the backup to {} was not done in time, since too much was written meanwhile; try again later", path.display())]
    BackupTooSlow {
        /// The file.
        path: PathBuf,
    },
    /// Any other word from SQLite.
    #[error("the outbox database refused")]
    Sql(#[from] rusqlite::Error),
    /// The outbox was closed, or its writer died.
    #[error("the outbox is closed")]
    Closed,
    /// There is no such log.
    #[error("log {0} is not in the outbox")]
    UnknownLog(LogKey),
    /// There is no such session.
    #[error("session {0} is not in the outbox")]
    UnknownSession(SessionKey),
    /// A stored block came again with other bytes. The stored one stays.
    #[error(
        "block {seq} of log {log} came again with other bytes; if the watch restarted its counter, open a new era"
    )]
    Conflict {
        /// The log.
        log: LogKey,
        /// The number both blocks carry.
        seq: Seq,
    },
    /// A number was skipped and no gap says why.
    #[error(
        "log {log} expects block {expected} but got {got}; fetch again from there, or say why with a gap"
    )]
    Unexplained {
        /// The log.
        log: LogKey,
        /// The number after the cursor.
        expected: Seq,
        /// The number that came.
        got: Seq,
    },
    /// A block came for a number that the ledger has already given up as a gap.
    #[error("block {seq} of log {log} was given up before; the log stands at {cursor}")]
    GivenUp {
        /// The log.
        log: LogKey,
        /// The block's number.
        seq: Seq,
        /// Where the log stands.
        cursor: Seq,
    },
    /// A range that ends before it begins.
    #[error("{first} to {last} is not a range")]
    BadRange {
        /// Its first number.
        first: Seq,
        /// Its last number.
        last: Seq,
    },
    /// There is no such batch.
    #[error("batch {0} is not in the outbox")]
    UnknownBatch(BatchKey),
    /// The batch is no longer open.
    #[error("batch {batch} is {state}, not open")]
    NotOpen {
        /// The batch.
        batch: BatchKey,
        /// What became of it.
        state: BatchState,
    },
    /// There is an open batch for this sink, log and kind already.
    #[error("batch {0} is still open; settle it before the next")]
    StillOpen(BatchKey),
    /// A batch must begin with the oldest unsent sample, or what lies before it would never be sent.
    #[error("a batch must begin at {}, not at {got}", expected_text(*expected))]
    NotNext {
        /// The oldest unsent sample, if any.
        expected: Option<Position>,
        /// Where the batch begins.
        got: Position,
    },
    /// An errand is for what the cursor has passed; the rest is sent in its turn.
    #[error("{span} has not been passed by the upload cursor; it is sent in its turn")]
    NotPast {
        /// What was asked for.
        span: Span,
    },
    /// What is to be retried is no dead letter, or was retried or dropped already.
    #[error("{span} is not an open dead letter; `nowbridge outbox list` shows those there are")]
    NotDead {
        /// What was asked for.
        span: Span,
    },
    /// There is no such errand, or it has ended.
    #[error("errand {0} is not waiting")]
    NoErrand(ErrandKey),
    /// A recut must keep the sink, log, kind and beginning, and not end later.
    #[error("batch {0} can only be replaced by a part of it with the same beginning")]
    NotARecut(BatchKey),
}

impl OutboxError {
    /// Whether the same call may succeed later without a change in what is asked.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::DiskFull { .. }
            | Self::CapReached { .. }
            | Self::NoHeadroom { .. }
            | Self::Interrupted { .. }
            | Self::Salvaging { .. }
            | Self::Busy { .. } => true,
            // A file system that is away for a while, or a disk that has hiccups.
            Self::Sql(source) => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly)
            ),
            _ => false,
        }
    }

    /// Gives a bare SQLite error its name and its place.
    pub(super) fn placed(self, dir: &Path) -> Self {
        let Self::Sql(source) = self else { return self };
        let dir = dir.to_owned();
        if is_nonsense(&source) {
            return Self::Corrupt { path: dir.join(super::database::FILE_NAME), detail: source.to_string() };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { dir, source },
            Some(ErrorCode::SystemIoFailure) if is_without_room(&source) => Self::DiskFull { dir, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { dir, source },
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted { dir, source },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path: dir.join(super::database::FILE_NAME), detail: source.to_string() }
            }
            _ => Self::Sql(source),
        }
    }
}

/// A value that was never written so: what a page holds that is damaged.
const fn is_nonsense(source: &rusqlite::Error) -> bool {
    matches!(
        source,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
    )
}

/// The index of the write-ahead log is a file too, and SQLite has its own code for not being able to grow that one.
fn is_without_room(source: &rusqlite::Error) -> bool {
    source.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn expected_text(expected: Option<Position>) -> String {
    expected.map_or_else(|| "a block yet to come".to_owned(), |place| place.to_string())
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_disk_that_fails_may_recover_and_a_wrong_statement_does_not() {
        let said = |code| OutboxError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in
            [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_CANTOPEN, ffi::SQLITE_READONLY]
        {
            assert!(said(code).placed(Path::new("outbox")).is_transient(), "{code}");
        }
        for code in [ffi::SQLITE_CONSTRAINT, ffi::SQLITE_CORRUPT, ffi::SQLITE_MISUSE] {
            assert!(!said(code).placed(Path::new("outbox")).is_transient(), "{code}");
        }
    }
}
