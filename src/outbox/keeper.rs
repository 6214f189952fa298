//! What the writer does around each job: it looks how much room is left, throws off ballast, and keeps the write-ahead log short.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Notify, watch};

use super::ballast::{self, Ballast};
use super::limits::{BALLAST_BYTES, Limits, RESERVE_BYTES, WAL_BYTES};
use super::readers::Reading;
use super::room::Measured;
use super::{OutboxError, Room, RoomLimit, database};

/// How long whoever reads may hold up the folding of a write-ahead log that is too long.
const READERS_MAY_TAKE: Duration = Duration::from_millis(250);
/// As for every statement.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks after the files of one outbox.
pub(super) struct Keeper {
    dir: PathBuf,
    limits: Limits,
    ballast: Ballast,
    room: watch::Sender<Room>,
    /// The disk was full although it says otherwise: a quota, or somebody else who was faster.
    refused: bool,
    reading: Arc<Reading>,
    log: Arc<WalWatch>,
    stirred: Arc<Notify>,
    /// Rows that this connection has changed so far.
    changes: u64,
    /// The next length of the write-ahead log at which something is done about it.
    too_long: u64,
}

/// What can be told of the write-ahead log.
#[derive(Debug, Default)]
pub(super) struct WalWatch {
    /// How often it could not be folded in time, since readers held it.
    pub(super) starved: AtomicU64,
}

impl Keeper {
    pub(super) fn new(
        dir: &Path,
        limits: Limits,
        room: watch::Sender<Room>,
        reading: Arc<Reading>,
        log: Arc<WalWatch>,
    ) -> Self {
        let (dir, ballast) = (dir.to_owned(), Ballast::beside(dir));
        let (refused, too_long, stirred, changes) = (false, 2 * WAL_BYTES, Arc::default(), 0);
        Self { dir, limits, ballast, room, refused, reading, log, stirred, changes, too_long }
    }

    /// Rings when a row has changed.
    pub(super) fn stirred(&self) -> Arc<Notify> {
        Arc::clone(&self.stirred)
    }

    /// Lengthens the log and takes ballast on board. On a disk without room for the former, the latter goes overboard for it.
    pub(super) fn begin(&mut self, connection: &Connection) {
        let wal = database::wal_of(&self.dir.join(database::FILE_NAME));
        let grown = ballast::grow_wal(&wal)
            .or_else(|error| if self.ballast.release() { ballast::grow_wal(&wal) } else { Err(error) });
        if let Err(error) = grown {
            tracing::warn!(%error, "The write-ahead log cannot be given its full length; the disk is full.");
            self.refused = true;
        }
        self.restore(connection);
        self.look(connection);
    }

    /// After each job, before it is answered.
    pub(super) fn after(&mut self, connection: &Connection, error: Option<&OutboxError>) {
        if error.is_some_and(is_without_room) {
            self.make_way(connection);
        }
        self.shorten(connection);
        self.look(connection);
        let changes = connection.total_changes();
        if std::mem::replace(&mut self.changes, changes) != changes {
            self.stirred.notify_one();
        }
    }

    /// Takes ballast on board again, if there is room for it and a little more.
    pub(super) fn restore(&mut self, connection: &Connection) {
        let Ok(measured) = Measured::take(connection, &self.dir) else { return };
        if !self.ballast.is_there() {
            if measured.free < 2 * BALLAST_BYTES + self.limits.floor_bytes() {
                return;
            }
            if let Err(error) = self.ballast.make() {
                tracing::debug!(%error, "There is no room for ballast.");
                return;
            }
        }
        if self.refused {
            tracing::info!(dir = %self.dir.display(), "The disk has room again.");
        }
        self.refused = false;
    }

    /// A disk that is full, or says so: throws the ballast off and folds the log into what that made room for.
    fn make_way(&mut self, connection: &Connection) {
        let Ok(measured) = Measured::take(connection, &self.dir) else { return };
        if matches!(measured.room(&self.limits), Room::Full { limit: RoomLimit::Cap })
            && measured.free > BALLAST_BYTES
        {
            return;
        }
        if self.ballast.release() {
            tracing::warn!(dir = %self.dir.display(), "The disk is full; what can be sent is sent, and nothing more is taken.");
        }
        self.refused = true;
        if let Err(error) = checkpoint(connection, "PASSIVE") {
            tracing::debug!(%error, "The write-ahead log cannot be folded yet.");
        }
    }

    /// Somebody who reads for long keeps the log from being folded, and it grows.
    fn shorten(&mut self, connection: &Connection) {
        let wal = database::wal_of(&self.dir.join(database::FILE_NAME));
        let length = database::size_of(&wal).unwrap_or(0);
        if length < self.too_long {
            if length < 2 * WAL_BYTES {
                self.too_long = 2 * WAL_BYTES;
            }
            return;
        }
        // Both a long look by one of us and one by another program; only the former can be told to come again.
        let folded = restart(connection).or_else(|_| {
            self.reading.interrupt();
            restart(connection)
        });
        if let Err(error) = folded {
            self.log.starved.fetch_add(1, Ordering::Relaxed);
            self.too_long = length + WAL_BYTES;
            tracing::warn!(%error, bytes = length, "The write-ahead log grows: another program reads the outbox for long.");
        }
    }

    fn look(&self, connection: &Connection) {
        let Ok(measured) = Measured::take(connection, &self.dir) else { return };
        let mut room = measured.room(&self.limits);
        if self.refused && measured.spare_bytes() < RESERVE_BYTES {
            room = Room::Full { limit: RoomLimit::Disk };
        } else if self.refused && room.is_ample() {
            room = Room::Near { limit: RoomLimit::Disk };
        }
        self.room.send_if_modified(|told| std::mem::replace(told, room) != room);
    }
}

fn is_without_room(error: &OutboxError) -> bool {
    match error {
        OutboxError::DiskFull { .. } => true,
        OutboxError::Sql(source) => {
            source.sqlite_error_code() == Some(ErrorCode::DiskFull)
                || source.sqlite_error().is_some_and(|error| {
                    matches!(
                        error.extended_code,
                        rusqlite::ffi::SQLITE_IOERR_WRITE
                            | rusqlite::ffi::SQLITE_IOERR_SHMSIZE
                            | rusqlite::ffi::SQLITE_IOERR_TRUNCATE
                    )
                })
        }
        _ => false,
    }
}

fn restart(connection: &Connection) -> Result<(), OutboxError> {
    connection.busy_timeout(READERS_MAY_TAKE)?;
    let done = checkpoint(connection, "RESTART");
    connection.busy_timeout(BUSY_TIMEOUT)?;
    done
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<(), OutboxError> {
    let is_busy: bool =
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))?;
    let busy = || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
    if is_busy { Err(busy().into()) } else { Ok(()) }
}
