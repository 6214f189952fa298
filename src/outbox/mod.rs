//! The durable store between the watch and the cloud: the only room with SQL.
//!
//! What a call has answered with `Ok` is on the disk (`synchronous=FULL`), and what it has answered with an error has left
//! no trace: each call is one transaction. Blocks, gaps and the log's cursor change together, and so do a receipt and the
//! upload cursor. A batch is written down before it is sent. Nothing here knows Bluetooth or HTTP.

/// The text of a statement, from `sql/`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/outbox/sql/", $name, ".sql"))
    };
}

mod anchors;
mod append;
mod aside;
mod backlog;
mod backup;
mod ballast;
mod batches;
mod birth;
mod blocks;
mod check;
mod choosing;
mod clock_steps;
mod columns;
mod database;
mod entries;
mod errands;
mod error;
mod evict;
mod export;
mod forget;
mod free;
mod holders;
mod host_log;
mod keeper;
mod keys;
mod ledger;
mod limits;
mod listing;
mod lock;
mod logs;
mod merge;
mod migrate;
mod peers;
mod pragmas;
mod prune;
mod quarantine;
mod readers;
mod removal;
mod resolve;
mod room;
mod salvage;
mod seam;
mod sent;
mod sent_days;
mod sessions;
mod settle;
mod sinks;
mod span;
mod spells;
mod still;
mod summary;
mod tidy;
mod updates;
mod vacuum;
mod why;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::{Connection, Transaction};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

pub use anchors::{Anchor, AnchorSource};
pub use append::{Appended, GapCause, NewBlock, NewGap};
pub use backlog::Backlog;
pub use batches::{Batch, BatchState, NewBatch};
pub use blocks::StoredBlock;
pub use choosing::Chosen;
pub use clock_steps::ClockStep;
pub use entries::{EntryId, InvalidEntryId};
pub use errands::{Errand, ErrandState, ErrandWhy, NewErrand};
pub use error::OutboxError;
pub use export::{ExportPage, ExportQuery, ExportRow, Exporter, PAGE_SAMPLES};
pub use forget::{ForgetOptions, Forgetting, Forgotten};
pub use holders::{SinkEnd, SinkHold};
pub use host_log::HostLog;
pub use keys::{AnchorKey, BatchKey, ErrandKey, LogKey, QuarantineKey, SessionKey, SinkName, UpdateKey};
pub use ledger::{BatchRow, DeadRow, GapRow, QuarantineRow, ReceiptRow, Resolution, Which};
pub use limits::Limits;
pub use listing::{Entries, Entry, Section};
pub use lock::DirLock;
pub use logs::Log;
pub use merge::Merged;
pub use peers::{Binding, Hold, PeerRow};
pub use quarantine::{HeldBack, HeldRun};
pub use resolve::{Repair, Resolved, Unresolved};
pub use room::{Room, RoomLimit};
pub use salvage::Salvage;
pub use seam::{Seam, SeamPart};
pub use sent::Sent;
pub use sent_days::{SentDay, SentRows};
pub use sessions::{SessionReport, SessionRow};
pub use settle::{DeadLetter, Receipt, Tally};
pub use sinks::{SinkCounts, SinkRow};
pub use span::{Position, Span};
pub use spells::{SpellKey, SpellRow};
pub use still::Still;
pub use summary::{StreamSummary, Summary};
pub use tidy::Tidied;
pub use updates::{AskedBy, FirmwareTrust, NewUpdate, UpdateRow, UpdateStep, UpdateStepRow};
pub use why::{Hole, OffWrist, Undated, Waiting, Why};

use crate::clock::Clock;
use crate::measurement::UtcMicros;
use clock_steps::ClockMemory;
use database::{Damage, Database};
use host_log::HostBoots;
use keeper::{Keeper, WalWatch};
use readers::{Readers, Reading};
use room::Door;
use writer::Writer;

/// An open outbox. Cheap to clone; all clones share one writer.
#[derive(Clone)]
pub struct Outbox {
    house: Arc<House>,
}

struct House {
    writer: Writer,
    readers: Readers,
    clock: Clock,
    queue_id: Uuid,
    dir: PathBuf,
    host_boots: HostBoots,
    limits: Limits,
    room: watch::Receiver<Room>,
    log: Arc<WalWatch>,
    /// Rings when a row has changed.
    stirred: Arc<Notify>,
    to_be_checked: AtomicBool,
    clock_memory: Arc<ClockMemory>,
    /// Where nothing can be written: what is not in the picture.
    still: Option<Still>,
}

impl Outbox {
    /// Opens the outbox in `dir`, making both if need be, for this process alone.
    pub async fn open(dir: &Path, clock: Clock) -> Result<Self, OutboxError> {
        Self::open_claimed(Self::claim(dir).await?, clock).await
    }

    /// Takes the directory for this process alone, making it if need be, and opens nothing yet: that may take a while.
    pub async fn claim(dir: &Path) -> Result<DirLock, OutboxError> {
        let dir = dir.to_owned();
        off_the_runtime(move || DirLock::take(&dir)).await
    }

    /// Opens the outbox in a directory that was claimed.
    pub async fn open_claimed(lock: DirLock, clock: Clock) -> Result<Self, OutboxError> {
        Self::open_limited(lock, clock, Limits::default()).await
    }

    /// Opens the outbox in `dir` for whoever only looks: one that is damaged is an error, and stays as it is. Where nothing can be
    /// written, it is read as it lies there.
    pub async fn open_to_look(dir: &Path, clock: Clock, limits: Limits) -> Result<Self, OutboxError> {
        let lock = match Self::claim(dir).await {
            Err(error) if still::is_for_want_of_rights(&error) => {
                return Self::open_still(dir, clock, limits).await;
            }
            claimed => claimed?,
        };
        let now = clock.now();
        off_the_runtime(move || {
            let house = House::build(lock, clock, now, limits, Damage::Refuse)?;
            Ok(Self { house: Arc::new(house) })
        })
        .await
    }

    /// Opens the outbox in a directory that was claimed, to take no more room than that.
    pub async fn open_limited(lock: DirLock, clock: Clock, limits: Limits) -> Result<Self, OutboxError> {
        let now = clock.now();
        off_the_runtime(move || {
            let house = House::build(lock, clock, now, limits, Damage::BeginAnew)?;
            Ok(Self { house: Arc::new(house) })
        })
        .await
    }

    /// Finishes what is queued, folds the log into the database and releases the directory. Other clones are refused
    /// from here on. Dropping the last handle does the same, but has nobody to tell of an error.
    pub async fn close(self) -> Result<(), OutboxError> {
        off_the_runtime(move || self.house.shut()).await
    }

    /// The random name that this database was given at birth.
    pub fn queue_id(&self) -> Uuid {
        self.house.queue_id
    }

    /// The clock that its entries are dated by.
    pub fn clock(&self) -> Clock {
        self.house.clock
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.house.dir
    }

    /// Runs `job` in a transaction on the writer. Once polled it is carried out, even if the caller stops waiting.
    async fn write<T, F>(&self, job: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError> + Send + 'static,
    {
        let house = Arc::clone(&self.house);
        off_the_runtime(move || house.noticing(house.writer.run(job))).await
    }

    /// The same for what no transaction can do.
    async fn lend<T, F>(&self, job: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, OutboxError> + Send + 'static,
    {
        let house = Arc::clone(&self.house);
        off_the_runtime(move || house.writer.lend(job)).await
    }

    /// A disk that is full, or is no longer: the database may not grow beyond so many pages, or what it has now.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&self, pages: u32) {
        let limit = move |tx: &Transaction<'_>| Ok(tx.pragma_update(None, "max_page_count", pages)?);
        self.write(limit).await.unwrap();
    }

    async fn read<T, F>(&self, query: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, OutboxError> + Send + 'static,
    {
        let house = Arc::clone(&self.house);
        off_the_runtime(move || house.noticing(house.readers.run(query))).await
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("dir", &self.house.dir).finish_non_exhaustive()
    }
}

impl House {
    fn build(
        lock: DirLock,
        clock: Clock,
        now: UtcMicros,
        limits: Limits,
        damage: Damage,
    ) -> Result<Self, OutboxError> {
        let dir = lock.dir().to_owned();
        let Database { connection, queue_id, to_be_checked } = database::open(&dir, now, &limits, damage)?;
        let (told, room) = watch::channel(Room::default());
        let (reading, log) = (Arc::<Reading>::default(), Arc::<WalWatch>::default());
        let mut keeper = Keeper::new(&dir, limits, told, Arc::clone(&reading), Arc::clone(&log));
        keeper.begin(&connection);
        let stirred = keeper.stirred();
        let writer = Writer::start(connection, keeper, lock, &dir)?;
        let (readers, host_boots) = (Readers::new(&dir, reading), HostBoots::default());
        Ok(Self {
            writer,
            readers,
            clock,
            queue_id,
            dir,
            host_boots,
            clock_memory: Arc::default(),
            limits,
            room,
            log,
            stirred,
            to_be_checked: to_be_checked.into(),
            still: None,
        })
    }

    /// Damage that shows in use makes the next start look at all of the database.
    fn noticing<T>(&self, done: Result<T, OutboxError>) -> Result<T, OutboxError> {
        done.inspect_err(|error| aside::mark_if_damaged(&self.dir, error))
    }

    fn door(&self) -> Door {
        Door { dir: self.dir.clone(), limits: self.limits }
    }

    fn shut(&self) -> Result<(), OutboxError> {
        self.readers.close();
        self.writer.stop()
    }
}

impl Drop for House {
    /// Waits for the jobs that are queued, so that whoever opens the directory next finds it free.
    fn drop(&mut self) {
        if let Err(error) = self.shut() {
            tracing::warn!(dir = %self.dir.display(), %error, "The outbox did not close cleanly.");
        }
    }
}

/// Waits for the disk on a blocking thread, deliberately also where a channel could be awaited: while such a thread runs,
/// a paused tokio clock does not advance by itself. So in a simulated day a commit takes no time, and no timer fires
/// because of it.
async fn off_the_runtime<T, F>(work: F) -> Result<T, OutboxError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, OutboxError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(OutboxError::Closed))
}
