//! Read-only connections, kept for the next reader.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Transaction};

use super::{OutboxError, database};

/// How many idle connections are kept. More readers than that open their own and close it again.
const KEPT: usize = 4;

pub(super) struct Readers {
    idle: Mutex<Option<Vec<Connection>>>,
    dir: PathBuf,
}

impl Readers {
    pub(super) fn new(dir: &Path) -> Self {
        Self { idle: Mutex::new(Some(Vec::new())), dir: dir.to_owned() }
    }

    /// Runs `query` on one unchanging view of the database.
    pub(super) fn run<T, F>(&self, query: F) -> Result<T, OutboxError>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError>,
    {
        self.view(query).map_err(|error| error.placed(&self.dir))
    }

    /// Closes the idle connections and refuses later queries.
    pub(super) fn close(&self) {
        self.idle().take();
    }

    fn view<T, F>(&self, query: F) -> Result<T, OutboxError>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError>,
    {
        let idle = self.idle().as_mut().ok_or(OutboxError::Closed)?.pop();
        let mut connection = idle.map_or_else(|| database::open_reader(&self.dir), Ok)?;
        let value = query(&connection.transaction()?)?;
        if let Some(idle) = self.idle().as_mut().filter(|idle| idle.len() < KEPT) {
            idle.push(connection);
        }
        Ok(value)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
