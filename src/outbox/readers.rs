//! Read-only connections, kept for the next reader.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, InterruptHandle, Transaction};

use super::{OutboxError, database, still};

/// How many idle connections are kept. More readers than that open their own and close it again.
const KEPT: usize = 4;

pub(super) struct Readers {
    idle: Mutex<Option<Vec<Connection>>>,
    dir: PathBuf,
    reading: Arc<Reading>,
    open: fn(&Path) -> Result<Connection, OutboxError>,
}

/// Who reads at the moment. While one does, the write-ahead log cannot be started anew.
#[derive(Default)]
pub(super) struct Reading {
    /// Each with a number of its own.
    under_way: Mutex<(u64, Vec<(u64, InterruptHandle)>)>,
}

impl Readers {
    pub(super) fn new(dir: &Path, reading: Arc<Reading>) -> Self {
        Self { idle: Mutex::new(Some(Vec::new())), dir: dir.to_owned(), reading, open: database::open_reader }
    }

    /// The same where nothing can be written.
    pub(super) fn still(self) -> Self {
        Self { open: still::open_reader, ..self }
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

    /// The same on a connection of its own, which has nothing in memory: what it sees is what the disk holds.
    pub(super) fn run_afresh<T, F>(&self, query: F) -> Result<T, OutboxError>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError>,
    {
        let connection = (self.open)(&self.dir);
        let seen = connection.and_then(|mut connection| self.look(&mut connection, query));
        seen.map_err(|error| error.placed(&self.dir))
    }

    fn view<T, F>(&self, query: F) -> Result<T, OutboxError>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError>,
    {
        let idle = self.idle().as_mut().ok_or(OutboxError::Closed)?.pop();
        let mut connection = idle.map_or_else(|| (self.open)(&self.dir), Ok)?;
        let value = self.look(&mut connection, query)?;
        if let Some(idle) = self.idle().as_mut().filter(|idle| idle.len() < KEPT) {
            idle.push(connection);
        }
        Ok(value)
    }

    /// While it looks, it can be interrupted.
    fn look<T, F>(&self, connection: &mut Connection, query: F) -> Result<T, OutboxError>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError>,
    {
        let number = self.reading.begin(connection.get_interrupt_handle());
        let value = connection.transaction().map_err(OutboxError::from).and_then(|tx| query(&tx));
        self.reading.end(number);
        value
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Ends every look that is under way; whoever looked is told to come again.
    pub(super) fn interrupt(&self) {
        for (_, reader) in &self.under_way().1 {
            reader.interrupt();
        }
    }

    fn begin(&self, reader: InterruptHandle) -> u64 {
        let mut under_way = self.under_way();
        under_way.0 += 1;
        let number = under_way.0;
        under_way.1.push((number, reader));
        number
    }

    fn end(&self, number: u64) {
        self.under_way().1.retain(|(of, _)| *of != number);
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, (u64, Vec<(u64, InterruptHandle)>)> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_long_look_is_ended_and_told_to_come_again() {
        let dir = tempfile::TempDir::new().unwrap();
        Connection::open(dir.path().join(database::FILE_NAME)).unwrap();
        let reading = Arc::<Reading>::default();
        let readers = Readers::new(dir.path(), Arc::clone(&reading));
        let endless =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        thread::scope(|scope| {
            let look = scope.spawn(|| {
                readers.run(|tx| Ok(tx.query_row(endless, [], |row| row.get::<_, i64>(0))?)).unwrap_err()
            });
            while !look.is_finished() {
                reading.interrupt();
                thread::yield_now();
            }
            let error = look.join().unwrap();
            assert!(error.is_transient() && matches!(error, OutboxError::Interrupted { .. }), "{error}");
        });
        assert_eq!(
            readers.run(|tx| Ok(tx.query_row("SELECT 7", [], |row| row.get::<_, i64>(0))?)).unwrap(),
            7
        );
    }
}
