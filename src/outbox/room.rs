//! How much room is left, and what that means for who wants to store something.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::limits::{Limits, RESERVE_BYTES};
use super::{Outbox, OutboxError};

/// How much room the outbox has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Room {
    /// Enough.
    #[default]
    Ample,
    /// Little: history stays on the watch, which is the first buffer, and only live measurements are taken.
    Near {
        /// What is near.
        limit: RoomLimit,
    },
    /// None: nothing more is taken until something has been sent, freed or evicted.
    Full {
        /// What was reached.
        limit: RoomLimit,
    },
}

/// What limits the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomLimit {
    /// The outbox's own cap, `max_size`.
    Cap,
    /// The disk, and the `keep_free` that is left to others.
    Disk,
}

impl Room {
    /// Whether history may be pulled.
    pub const fn is_ample(self) -> bool {
        matches!(self, Self::Ample)
    }
}

/// What is known of the room at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Bytes in a page.
    page: u64,
    /// Pages of the database that hold something.
    used: u64,
    /// Pages that hold nothing.
    spare: u64,
    /// Pages that it may have.
    most: u64,
    /// Bytes that the disk has left.
    pub(super) free: u64,
}

impl Outbox {
    /// How much room there is, as of the last commit.
    pub fn room(&self) -> watch::Receiver<Room> {
        self.house.room.clone()
    }
}

impl Measured {
    pub(super) fn take(connection: &Connection, dir: &Path) -> Result<Self, OutboxError> {
        let ask = |pragma: &str| {
            connection
                .prepare_cached(pragma)?
                .query_row([], |row| row.get::<_, i64>(0))
                .map(i64::cast_unsigned)
        };
        let (pages, spare) = (ask("PRAGMA page_count")?, ask("PRAGMA freelist_count")?);
        let (most, page) = (ask("PRAGMA max_page_count")?, ask("PRAGMA page_size")?.max(1));
        Ok(Self {
            page,
            used: pages.saturating_sub(spare),
            spare,
            most: most.max(pages),
            free: free_bytes(dir)?,
        })
    }

    pub(super) fn room(&self, limits: &Limits) -> Room {
        let limit = self.limit(limits);
        if self.available_bytes(limits) < RESERVE_BYTES {
            Room::Full { limit }
        } else if self.used >= self.most / 10 * 9 {
            Room::Near { limit: RoomLimit::Cap }
        } else if self.free < limits.keep_free {
            Room::Near { limit: RoomLimit::Disk }
        } else {
            Room::Ample
        }
    }

    /// What may still be filled.
    pub(super) fn available_bytes(&self, limits: &Limits) -> u64 {
        (self.spare + self.growth(limits).min(self.most_growth())) * self.page
    }

    fn limit(&self, limits: &Limits) -> RoomLimit {
        if self.most_growth() <= self.growth(limits) { RoomLimit::Cap } else { RoomLimit::Disk }
    }

    const fn most_growth(&self) -> u64 {
        self.most.saturating_sub(self.used + self.spare)
    }

    const fn growth(&self, limits: &Limits) -> u64 {
        self.free.saturating_sub(limits.floor_bytes()) / self.page
    }

    pub(super) const fn page(&self) -> u64 {
        self.page
    }

    pub(super) const fn spare_bytes(&self) -> u64 {
        self.spare * self.page
    }

    pub(super) const fn is_mostly_spare(&self) -> bool {
        self.spare > self.used
    }
}

/// Lets measurements in, or says what is full.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) dir: PathBuf,
    pub(super) limits: Limits,
}

impl Door {
    pub(super) fn admit(&self, connection: &Connection) -> Result<(), OutboxError> {
        let Room::Full { limit } = Measured::take(connection, &self.dir)?.room(&self.limits) else {
            return Ok(());
        };
        let dir = self.dir.clone();
        Err(match limit {
            RoomLimit::Cap => OutboxError::CapReached { dir, max_size: self.limits.max_size },
            RoomLimit::Disk => OutboxError::NoHeadroom { dir, keep_free: self.limits.keep_free },
        })
    }
}

/// What the disk has left for a process without privileges.
pub(super) fn free_bytes(dir: &Path) -> Result<u64, OutboxError> {
    let stat = rustix::fs::statvfs(dir)
        .map_err(|error| OutboxError::CannotUse { dir: dir.to_owned(), source: error.into() })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
