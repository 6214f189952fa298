//! The settings that durability rests on. Each is read back, because SQLite ignores in silence what it does not know or
//! cannot do.

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::OutboxError;
use super::limits::WAL_BYTES;

/// Marks the file as ours: "NWBR".
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"NWBR");

type Pragma = (&'static str, ValueRef<'static>);

const fn number(name: &'static str, value: i64) -> Pragma {
    (name, ValueRef::Integer(value))
}

/// The write-ahead log is folded into the database when it has so much.
const FOLD_AT_BYTES: i64 = 1_024 * 1_024;

/// Bytes in a page of a new file. A commit writes whole pages, mostly for a few small blocks: half the usual size is a third less wear
/// (benches/wear.sh). Half of that again would push full blocks into overflow pages, as a row here may take a quarter of a page.
const PAGE: i64 = 2_048;

/// The order matters: the first write to a new file fixes the page size and the vacuum mode, and setting the
/// application id is such a write.
const WRITER: &[Pragma] = &[
    number("auto_vacuum", 2), // INCREMENTAL
    number("application_id", APPLICATION_ID as i64),
    ("journal_mode", ValueRef::Text(b"wal")),
    number("synchronous", 2), // FULL: the log is flushed at every commit
    number("journal_size_limit", WAL_BYTES.cast_signed()),
    number("busy_timeout", 5_000),
    number("mmap_size", 0),
    number("foreign_keys", 1),
    number("trusted_schema", 0),
    number("cell_size_check", 1),
    number("temp_store", 2), // MEMORY
];

const READER: &[Pragma] = &[
    number("busy_timeout", 5_000),
    number("mmap_size", 0),
    number("trusted_schema", 0),
    number("cell_size_check", 1),
    number("temp_store", 2),
    number("query_only", 1),
];

/// Sets up the one writing connection to a file that is empty yet.
pub(super) fn for_birth(connection: &Connection) -> Result<(), OutboxError> {
    set(connection, number("page_size", PAGE))?;
    for_writer(connection)
}

/// Sets up the one writing connection.
pub(super) fn for_writer(connection: &Connection) -> Result<(), OutboxError> {
    WRITER.iter().try_for_each(|pragma| set(connection, *pragma))?;
    // A small log is overwritten in place instead of grown: a third to a half less wear on an SD card (measured).
    set(connection, number("wal_autocheckpoint", FOLD_AT_BYTES / page_size(connection)?))
}

/// Bytes in a page of this file: an older one has larger ones.
pub(super) fn page_size(connection: &Connection) -> Result<i64, OutboxError> {
    Ok(connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?.max(1))
}

/// Sets up a reading connection.
pub(super) fn for_reader(connection: &Connection) -> Result<(), OutboxError> {
    READER.iter().try_for_each(|pragma| set(connection, *pragma))
}

/// Caps the database's growth. One that is larger already may stay so, and not grow.
pub(super) fn cap(connection: &Connection, pages: u32) -> Result<(), OutboxError> {
    let has: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    set(connection, number("max_page_count", i64::from(pages.max(has))))
}

/// Asks for what is not so already, and looks whether it was granted.
fn set(connection: &Connection, (pragma, wanted): Pragma) -> Result<(), OutboxError> {
    if difference(connection, (pragma, wanted))?.is_none() {
        return Ok(());
    }
    connection.pragma_update(None, pragma, ToSqlOutput::Borrowed(wanted))?;
    let got = difference(connection, (pragma, wanted))?;
    got.map_or(Ok(()), |got| Err(OutboxError::Pragma { pragma, wanted: text(wanted), got }))
}

fn difference(connection: &Connection, (pragma, wanted): Pragma) -> rusqlite::Result<Option<String>> {
    connection.pragma_query_value(None, pragma, |row| {
        let value = row.get_ref(0)?;
        Ok((value != wanted).then(|| text(value)))
    })
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_flushes_every_commit_to_a_file_that_is_marked_as_ours() {
        let dir = tempfile::TempDir::new().unwrap();
        let connection = Connection::open(dir.path().join("any.db")).unwrap();
        for_writer(&connection).unwrap();
        let ask = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((ask("synchronous"), ask("foreign_keys"), ask("mmap_size")), (2, 1, 0));
        assert_eq!((ask("auto_vacuum"), ask("application_id")), (2, 0x4E57_4252));
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn a_reader_cannot_write() {
        let dir = tempfile::TempDir::new().unwrap();
        let connection = Connection::open(dir.path().join("any.db")).unwrap();
        for_reader(&connection).unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER) STRICT").unwrap_err();
    }

    #[test]
    fn a_setting_that_sqlite_does_not_take_is_an_error() {
        let in_memory = Connection::open_in_memory().unwrap();
        let error = for_writer(&in_memory).unwrap_err();
        assert!(
            matches!(&error, OutboxError::Pragma { pragma: "journal_mode", got, .. } if got == "memory"),
            "{error}"
        );
    }
}
