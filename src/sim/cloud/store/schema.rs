//! Settings and migrations of the database.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::sim::cloud::PrivateCloudError;

/// How long a connection waits for a lock, which only a backup tool could hold.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Marks the file as ours ("nbPC").
const APPLICATION_ID: i64 = 0x6e62_5043;

/// Each step once, in this order; never change one that was released.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_002.sql")];
const NEWEST: u32 = MIGRATIONS.len() as u32;

/// Brings a new or an older file to the present schema and sets what a connection needs.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), PrivateCloudError> {
    let unopened = |source| PrivateCloudError::Open { path: path.to_owned(), source };
    connection.busy_timeout(BUSY).map_err(unopened)?;
    check_owner(connection, path)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=8388608;
             PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;
             PRAGMA secure_delete=ON; PRAGMA mmap_size=0;",
        )
        .map_err(unopened)?;
    for (pragma, wanted) in
        [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1"), ("secure_delete", "1")]
    {
        let found = read_pragma(connection, pragma).map_err(unopened)?;
        if found != wanted {
            return Err(PrivateCloudError::Pragma { pragma, found });
        }
    }
    migrate(connection, path)
}

/// A file with tables of another program is left alone.
fn check_owner(connection: &Connection, path: &Path) -> Result<(), PrivateCloudError> {
    let unopened = |source| PrivateCloudError::Open { path: path.to_owned(), source };
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(unopened)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(unopened)?;
    if id == APPLICATION_ID || (id == 0 && tables == 0) {
        Ok(())
    } else {
        Err(PrivateCloudError::Foreign { path: path.to_owned() })
    }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), PrivateCloudError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let Some(missing) = MIGRATIONS.get(found as usize..) else {
        return Err(PrivateCloudError::Newer { path: path.to_owned(), found, known: NEWEST });
    };
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", NEWEST)?;
    Ok(transaction.commit()?)
}

fn read_pragma(connection: &Connection, pragma: &str) -> rusqlite::Result<String> {
    connection.query_row(&format!("PRAGMA {pragma}"), [], |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            text => text.as_str().unwrap_or_default().to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &Path) -> Result<(), PrivateCloudError> {
        prepare(&mut Connection::open(path).unwrap(), path)
    }

    #[test]
    fn opening_twice_migrates_once_and_a_newer_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cloud.db");
        opened(&path).unwrap();
        opened(&path).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(opened(&path), Err(PrivateCloudError::Newer { found: 99, known: NEWEST, .. })));
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cloud.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
        assert!(matches!(opened(&path), Err(PrivateCloudError::Foreign { .. })));
    }
}
