//! The schema's history. Steps are only ever added; a step that has been released is never edited.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::OutboxError;

const STEPS: &[&str] = &[
    include_str!("schema/001_first.sql"),
    include_str!("schema/002_peers.sql"),
    include_str!("schema/003_upload.sql"),
    include_str!("schema/004_update.sql"),
];

/// Refuses a database that a newer nowbridge has written. Changes nothing.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OutboxError> {
    let (found, known) = (version(connection)?, STEPS.len() as u32);
    if found > known {
        return Err(OutboxError::NewerSchema { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Refuses any schema but this program's, where it cannot be brought up to date.
pub(super) fn check_same(connection: &Connection, dir: &Path) -> Result<(), OutboxError> {
    check(connection, &dir.join(super::database::FILE_NAME))?;
    if version(connection)? < STEPS.len() as u32 {
        let why =
            "an older nowbridge wrote it, and it cannot be brought up to date where nothing can be written";
        let source = std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, why);
        return Err(OutboxError::CannotUse { dir: dir.to_owned(), source });
    }
    Ok(())
}

/// Brings the schema up to date.
pub(super) fn run(connection: &mut Connection) -> Result<(), OutboxError> {
    run_steps(connection, STEPS)
}

/// Each step and its version number are one transaction, so a crash leaves a step done or not begun.
fn run_steps(connection: &mut Connection, steps: &[&str]) -> Result<(), OutboxError> {
    for (done, step) in steps.iter().enumerate().skip(version(connection)? as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", done as u32 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<u32, OutboxError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_leaves_the_one_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps =
            ["CREATE TABLE a (x INTEGER) STRICT;", "CREATE TABLE b (x INTEGER) STRICT; no such thing;"];
        run_steps(&mut connection, &steps).unwrap_err();
        assert_eq!(version(&connection).unwrap(), 1);
        assert!(connection.table_exists(None, "a").unwrap());
        assert!(!connection.table_exists(None, "b").unwrap());
    }

    #[test]
    fn running_again_does_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection).unwrap();
        run(&mut connection).unwrap();
        assert_eq!(version(&connection).unwrap() as usize, STEPS.len());
    }
}
