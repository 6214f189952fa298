//! Opening the database file: ours or nothing, and never a change to a file that is not.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::ballast::Ballast;
use super::{Limits, OutboxError, aside, birth, check, migrate, pragmas};
use crate::measurement::UtcMicros;

pub(super) const FILE_NAME: &str = "outbox.db";

/// The first SQLite without the WAL-reset bug, which loses commits in a race of writer and checkpoint.
const OLDEST_SAFE_SQLITE: i32 = 3_051_003;

/// Up to this size the whole file is checked at every start; that takes a fraction of a second.
const CHECKED_AT_OPEN_BYTES: u64 = 16 * 1_024 * 1_024;

/// The same after an end that was not orderly: about a second. A larger one is checked while it is used.
const CHECKED_AFTER_A_CRASH_BYTES: u64 = 64 * 1_024 * 1_024;

/// A SQLite file begins with this; the application id stands at byte 68 of the same header.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// An open database and the random name it was given at birth.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) queue_id: Uuid,
    /// It is too large to be checked before it is used, and its last end was not orderly.
    pub(super) to_be_checked: bool,
}

/// What becomes of a database of ours that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// It is moved aside, and a new one takes its place.
    BeginAnew,
    /// It is left as it is.
    Refuse,
}

/// Opens the database in `dir` for writing, making it if there is none. One of ours that is damaged is moved aside, and a new one with
/// another name takes its place.
pub(super) fn open(
    dir: &Path,
    now: UtcMicros,
    limits: &Limits,
    damage: Damage,
) -> Result<Database, OutboxError> {
    if rusqlite::version_number() < OLDEST_SAFE_SQLITE {
        return Err(OutboxError::UnsafeSqlite { found: rusqlite::version() });
    }
    let open = || match damage {
        Damage::BeginAnew => open_or_begin_anew(dir, now, limits),
        Damage::Refuse => open_whole(dir, now, limits),
    };
    match open() {
        // Even to look at what is there SQLite needs a few kilobytes.
        Err(error) if is_for_want_of_room(&error) && Ballast::beside(dir).release() => open(),
        other => other,
    }
}

fn is_for_want_of_room(error: &OutboxError) -> bool {
    match error {
        OutboxError::DiskFull { .. } => true,
        OutboxError::CannotUse { source, .. } => source.kind() == io::ErrorKind::StorageFull,
        _ => false,
    }
}

fn open_or_begin_anew(dir: &Path, now: UtcMicros, limits: &Limits) -> Result<Database, OutboxError> {
    let opened = match open_whole(dir, now, limits) {
        // SQLite calls a page damaged that could not be read this once; a disk that had a hiccup is no reason to begin anew.
        Err(OutboxError::Corrupt { .. }) => open_whole(dir, now, limits),
        other => other,
    };
    match opened {
        Err(OutboxError::Corrupt { path, detail }) => {
            let cannot_use = |source| OutboxError::CannotUse { dir: dir.to_owned(), source };
            let kept = aside::move_aside(dir).map_err(cannot_use)?;
            tracing::error!(
                database = %path.display(), detail, kept = %kept.display(),
                "The outbox is damaged. It was moved aside, a new one begins, and what can be read is fetched from the old one."
            );
            let opened = open_whole(dir, now, limits)?;
            aside::unmark(dir);
            Ok(opened)
        }
        other => other,
    }
}

fn open_whole(dir: &Path, now: UtcMicros, limits: &Limits) -> Result<Database, OutboxError> {
    let path = dir.join(FILE_NAME);
    let cannot_use = |source| OutboxError::CannotUse { dir: dir.to_owned(), source };
    if path.exists() && size_of(&path).map_err(cannot_use)? == 0 {
        // A new one is only ever there when it is complete.
        return Err(OutboxError::Corrupt { path, detail: "it is empty".to_owned() });
    }
    if !path.exists() {
        birth::make(dir, &path, now).map_err(|error| error.placed(dir))?;
    } else if is_blank(&path).map_err(cannot_use)? {
        let detail = "its beginning was wiped out".to_owned();
        return Err(OutboxError::Corrupt { path, detail });
    } else if !has_our_header(&path).map_err(cannot_use)? {
        return Err(OutboxError::NotADatabase { path });
    }
    prepare(&path, limits).map_err(|error| error.placed(dir))
}

/// Opens the database for reading.
pub(super) fn open_reader(dir: &Path) -> Result<Connection, OutboxError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(dir.join(FILE_NAME), flags)?;
    connection.set_prepared_statement_cache_capacity(32);
    pragmas::for_reader(&connection)?;
    Ok(connection)
}

/// Bytes in the database and its write-ahead log.
pub(super) fn bytes_on_disk(dir: &Path) -> io::Result<u64> {
    let path = dir.join(FILE_NAME);
    Ok(size_of(&path)? + size_of(&wal_of(&path))?)
}

/// Bytes of the write-ahead log.
pub(super) fn wal_bytes(dir: &Path) -> io::Result<u64> {
    size_of(&wal_of(&dir.join(FILE_NAME)))
}

fn prepare(path: &Path, limits: &Limits) -> Result<Database, OutboxError> {
    // An orderly end leaves no write-ahead log.
    let ended_well = wal_of(path).metadata().map_or(true, |log| log.len() == 0);
    let mut connection = connect(path)?;
    // Until the schema is known to be ours, closing must not fold the write-ahead log into the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    migrate::check(&connection, path)?;
    let is_checked = check_pages(&connection, path, ended_well)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    pragmas::for_writer(&connection)?;
    migrate::run(&mut connection)?;
    let page = pragmas::page_size(&connection)?.cast_unsigned();
    pragmas::cap(&connection, limits.most_pages(page))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute(sql!("session_interrupt"), [])?;
    let queue_id = queue_id(&connection, path)?;
    Ok(Database { connection, queue_id, to_be_checked: !is_checked && !ended_well })
}

/// A connection that writes, to a file that exists.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Looks at every page, if that does not take too long or damage was found before. Whether it did.
fn check_pages(connection: &Connection, path: &Path, ended_well: bool) -> Result<bool, OutboxError> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let most = if ended_well { CHECKED_AT_OPEN_BYTES } else { CHECKED_AFTER_A_CRASH_BYTES };
    if !aside::is_marked(dir) && fs::metadata(path).is_ok_and(|file| file.len() > most) {
        return Ok(false);
    }
    if let Some(detail) = check::damage(connection)? {
        return Err(OutboxError::Corrupt { path: path.to_owned(), detail });
    }
    aside::unmark(dir);
    Ok(true)
}

pub(super) fn queue_id(connection: &Connection, path: &Path) -> Result<Uuid, OutboxError> {
    let text: String = connection.query_row(sql!("meta_get"), ["queue_id"], |row| row.get(0))?;
    let detail = || format!("\"{text}\" is not a queue id");
    text.parse().map_err(|_| OutboxError::Corrupt { path: path.to_owned(), detail: detail() })
}

fn has_our_header(path: &Path) -> io::Result<bool> {
    let mut header = Vec::with_capacity(100);
    File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(header.starts_with(MAGIC) && header.get(68..72) == Some(&pragmas::APPLICATION_ID.to_be_bytes()))
}

/// Zeros where the header stood: what a card leaves that lost a block. Nobody else's file begins so.
fn is_blank(path: &Path) -> io::Result<bool> {
    let mut header = Vec::with_capacity(100);
    File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(header.len() == 100 && header.iter().all(|byte| *byte == 0))
}

pub(super) fn wal_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

/// The file's size; 0 if there is none.
pub(super) fn size_of(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(file) => Ok(file.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
