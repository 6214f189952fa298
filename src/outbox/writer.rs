//! The thread that owns the only writing connection, and does one job after the other.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::OutboxError;
use super::keeper::Keeper;
use super::lock::DirLock;

/// How many jobs may wait. Each caller waits for its answer, so this is a number of callers, not of bytes.
const QUEUE: usize = 32;

type Job = Box<dyn FnOnce(&mut Desk) + Send>;
type End = Result<(), OutboxError>;

/// What the thread works with.
struct Desk {
    connection: Connection,
    keeper: Keeper,
}

pub(super) struct Writer {
    jobs: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<End>>>,
    dir: PathBuf,
    can_write: bool,
}

impl Writer {
    /// Starts the thread. The lock goes with it: it is released when the connection is closed, not before.
    pub(super) fn start(
        connection: Connection,
        keeper: Keeper,
        lock: DirLock,
        dir: &Path,
    ) -> Result<Self, OutboxError> {
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("outbox-writer".to_owned())
            .spawn(move || serve(Desk { connection, keeper }, &queue, lock))
            .map_err(|source| OutboxError::CannotUse { dir: dir.to_owned(), source })?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            dir: dir.to_owned(),
            can_write: true,
        })
    }

    /// Where nothing can be written, whoever wants to is told.
    pub(super) fn none(dir: &Path) -> Self {
        Self { jobs: Mutex::new(None), thread: Mutex::new(None), dir: dir.to_owned(), can_write: false }
    }

    /// Runs `job` in a transaction of its own and waits until it is on the disk. If anything fails, nothing of it is.
    pub(super) fn run<T, F>(&self, job: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError> + Send + 'static,
    {
        self.carry_out(move |desk| {
            let done = transact(&mut desk.connection, job);
            desk.keeper.after(&desk.connection, done.as_ref().err());
            done
        })
    }

    /// Lends the connection itself, for what no transaction can do.
    pub(super) fn lend<T, F>(&self, job: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, OutboxError> + Send + 'static,
    {
        self.carry_out(move |desk| {
            let done = job(&mut desk.connection);
            desk.keeper.after(&desk.connection, done.as_ref().err());
            done
        })
    }

    /// Takes ballast on board again, if there is room.
    pub(super) fn restore(&self) -> Result<(), OutboxError> {
        self.carry_out(|desk| {
            desk.keeper.restore(&desk.connection);
            desk.keeper.after(&desk.connection, None);
            Ok(())
        })
    }

    fn carry_out<T, F>(&self, job: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk) -> Result<T, OutboxError> + Send + 'static,
    {
        if !self.can_write {
            let source = std::io::ErrorKind::ReadOnlyFilesystem.into();
            return Err(OutboxError::CannotUse { dir: self.dir.clone(), source });
        }
        let jobs = lock(&self.jobs).clone().ok_or(OutboxError::Closed)?;
        let (answer, waiting) = mpsc::sync_channel(1);
        let job = Box::new(move |desk: &mut Desk| {
            // Whoever asked may be gone; the work is done all the same.
            let _ = answer.send(job(desk));
        });
        jobs.send(job).map_err(|_| OutboxError::Closed)?;
        waiting.recv().unwrap_or(Err(OutboxError::Closed)).map_err(|error| error.placed(&self.dir))
    }

    /// Lets the thread finish what is queued, fold the log into the database and end. Later jobs are refused.
    pub(super) fn stop(&self) -> End {
        drop(lock(&self.jobs).take());
        let thread = lock(&self.thread).take();
        let end = thread.map_or(Ok(()), |thread| thread.join().unwrap_or(Err(OutboxError::Closed)));
        end.map_err(|error| error.placed(&self.dir))
    }
}

fn serve(mut desk: Desk, queue: &Receiver<Job>, lock: DirLock) -> End {
    for job in queue {
        job(&mut desk);
    }
    let connection = desk.connection;
    let folded = connection.pragma_query(None, "wal_checkpoint", |_| Ok(()));
    let closed = connection.close().map_err(|(_, error)| error);
    drop(lock);
    folded.and(closed).map_err(OutboxError::from)
}

/// A transaction that is dropped before its commit, or whose commit fails, is rolled back.
fn transact<T, F>(connection: &mut Connection, job: F) -> Result<T, OutboxError>
where
    F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError>,
{
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = job(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::outbox::Limits;

    fn writer_with_pages(dir: &Path, pages: u32) -> Writer {
        let lock = DirLock::take(dir).unwrap();
        let connection = Connection::open(dir.join("any.db")).unwrap();
        connection.execute_batch("CREATE TABLE t (x BLOB) STRICT").unwrap();
        connection.pragma_update(None, "max_page_count", pages).unwrap();
        let room = tokio::sync::watch::Sender::default();
        let keeper = Keeper::new(dir, Limits::default(), room, Arc::default(), Arc::default());
        Writer::start(connection, keeper, lock, dir).unwrap()
    }

    fn insert(writer: &Writer, bytes: u32) -> Result<(), OutboxError> {
        writer.run(move |tx| {
            tx.execute("INSERT INTO t VALUES (zeroblob(10))", [])?;
            tx.execute("INSERT INTO t VALUES (zeroblob(?1))", [bytes])?;
            Ok(())
        })
    }

    fn rows(writer: &Writer) -> u32 {
        writer.run(|tx| Ok(tx.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).unwrap()
    }

    #[test]
    fn a_full_disk_is_named_undoes_the_job_and_is_survived() {
        let dir = TempDir::new().unwrap();
        let writer = writer_with_pages(dir.path(), 8);
        let error = insert(&writer, 100_000).unwrap_err();
        assert!(matches!(&error, OutboxError::DiskFull { dir: named, .. } if named == dir.path()), "{error}");
        assert!(error.is_transient());
        assert_eq!(rows(&writer), 0);
        insert(&writer, 10).unwrap();
        assert_eq!(rows(&writer), 2);
    }

    #[test]
    fn stopping_finishes_what_is_queued_and_refuses_what_comes_later() {
        let dir = TempDir::new().unwrap();
        let writer = writer_with_pages(dir.path(), 1_000);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..50).try_for_each(|_| insert(&writer, 10)).unwrap());
            }
        });
        writer.stop().unwrap();
        assert!(matches!(insert(&writer, 10), Err(OutboxError::Closed)));
        DirLock::take(dir.path()).unwrap();
        let reopened = Connection::open(dir.path().join("any.db")).unwrap();
        let rows: u32 = reopened.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 300);
    }
}
