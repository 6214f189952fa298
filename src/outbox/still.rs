//! Looking at an outbox where nothing can be written: on a disk that is mounted read-only, or without the right to write there.
//!
//! SQLite needs files beside the database to read a write-ahead log, and cannot make them there. Without one the file is read as it lies
//! there, and what stands only in the log is not seen.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::readers::{Readers, Reading};
use super::writer::Writer;
use super::{
    DirLock, HostBoots, House, Limits, Outbox, OutboxError, Room, database, migrate, off_the_runtime, pragmas,
};
use crate::clock::Clock;

/// What is not in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Still {
    /// Bytes of the write-ahead log, which was not read: what was stored last.
    pub unread_bytes: u64,
}

/// Whether it is only that nothing can be written.
pub(super) fn is_for_want_of_rights(error: &OutboxError) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error, OutboxError::CannotUse { source, .. } if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem))
}

impl Outbox {
    /// What is not in the picture, if nothing can be written where the outbox is.
    pub fn still(&self) -> Option<Still> {
        self.house.still
    }

    pub(super) async fn open_still(dir: &Path, clock: Clock, limits: Limits) -> Result<Self, OutboxError> {
        let dir = dir.to_owned();
        off_the_runtime(move || {
            // A daemon that runs writes on; the file would change while it is read.
            DirLock::refuse_if_held(&dir)?;
            let placed = |error: OutboxError| error.placed(&dir);
            let (_, room) = watch::channel(Room::default());
            let unread_bytes = unread(&dir)?;
            let readers = Readers::new(&dir, Arc::<Reading>::default()).still();
            let queue_id = readers.run(|tx| {
                migrate::check_same(tx, &dir)?;
                database::queue_id(tx, &dir.join(database::FILE_NAME))
            });
            let queue_id = queue_id.map_err(placed)?;
            let house = House {
                writer: Writer::none(&dir),
                readers,
                clock,
                queue_id,
                dir,
                host_boots: HostBoots::default(),
                limits,
                room,
                log: Arc::default(),
                to_be_checked: false.into(),
                clock_memory: Arc::default(),
                stirred: Arc::default(),
                still: Some(Still { unread_bytes }),
            };
            Ok(Self { house: Arc::new(house) })
        })
        .await
    }
}

/// Opens the file as it lies there: nobody else changes it.
pub(super) fn open_reader(dir: &Path) -> Result<Connection, OutboxError> {
    let path = dir.join(database::FILE_NAME);
    let mut uri = String::from("file:");
    for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            // Writing to a String cannot fail.
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags)?;
    pragmas::for_reader(&connection)?;
    Ok(connection)
}

/// Bytes of the write-ahead log that hold something: one that is only made ready is full of zeros.
fn unread(dir: &Path) -> Result<u64, OutboxError> {
    let wal = database::wal_of(&dir.join(database::FILE_NAME));
    let cannot_use = |source| OutboxError::CannotUse { dir: dir.to_owned(), source };
    let bytes = database::size_of(&wal).map_err(cannot_use)?;
    if bytes == 0 {
        return Ok(0);
    }
    let mut magic = [0; 4];
    let read = std::fs::File::open(&wal).and_then(|mut log| io::Read::read_exact(&mut log, &mut magic));
    Ok(if read.is_ok() && magic == [0; 4] { 0 } else { bytes })
}
