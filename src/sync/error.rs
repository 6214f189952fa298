//! What can go wrong in a session.

use std::error::Error as _;

use super::FailureKind;
use crate::outbox::{OutboxError, Room, RoomLimit};
use crate::radio::RadioError;
use crate::watch::WatchError;
use crate::wire::bridge::{ErrorCode, Seq};

/// ATT errors of a peer that wants an authenticated or encrypted link (Core, Vol 3, Part F, 3.4.1.1): insufficient authentication,
/// insufficient key size, insufficient encryption.
const WANTS_PAIRING: [u8; 3] = [0x05, 0x0C, 0x0F];

/// Why a session broke off. What was committed before stays.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The conversation with the watch.
    #[error(transparent)]
    Watch(WatchError),
    /// The store; nothing that is not in it was acknowledged.
    #[error("the outbox cannot be written: {}", with_causes(.0))]
    Outbox(#[from] OutboxError),
    /// The store has little room left, and the watch keeps what it has recorded for longer than a live sample lasts.
    #[error("{}, so what the watch has recorded stays on it for now; {}", short_of(*.0).0, short_of(*.0).1)]
    NoRoom(Room),
    /// The store again, at the end of a live session: what was measured and not stored is nowhere else.
    #[error("{samples} samples are not stored yet and wait in memory: {}", with_causes(source))]
    Unsaved {
        /// How many.
        samples: u64,
        /// Why.
        source: OutboxError,
    },
    /// The same, of a store that has not answered yet.
    #[error("{samples} samples are not stored yet and wait in memory: the disk has not answered in time")]
    SlowDisk {
        /// How many.
        samples: u64,
    },
    /// The watch started another log in the middle of the session.
    #[error("the watch started another log; the next session begins with it")]
    LogChanged,
    /// The watch sent other bytes under a number that we already have.
    #[error("the watch used number {0} a second time; a new era of its log begins")]
    NumberReused(Seq),
    /// Pull after pull brought nothing that could be kept.
    #[error("the watch says it has blocks up to {head}, but none after {cursor} arrives whole")]
    NoProgress {
        /// The last block that is safe.
        cursor: Seq,
        /// What the watch says it has.
        head: Seq,
    },
}

impl From<WatchError> for SyncError {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Refused { code: ErrorCode::WrongLog, .. } => Self::LogChanged,
            error => Self::Watch(error),
        }
    }
}

impl SyncError {
    /// What it asks for.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Watch(error) => FailureKind::of(error),
            // Whatever it is, the watch is not at fault, and keeps its blocks meanwhile.
            Self::Outbox(_) | Self::NoRoom(_) | Self::Unsaved { .. } | Self::SlowDisk { .. } => {
                FailureKind::Store
            }
            Self::LogChanged | Self::NumberReused(_) | Self::NoProgress { .. } => FailureKind::Passing,
        }
    }

    /// Whether it may work later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        self.kind().is_transient()
    }
}

/// What there is too little of, and what helps.
const fn short_of(room: Room) -> (&'static str, &'static str) {
    match room {
        Room::Near { limit: RoomLimit::Disk } | Room::Full { limit: RoomLimit::Disk } => (
            "the disk under the outbox is nearly full",
            "make room on it, or let the outbox leave less of it free (keep_free)",
        ),
        Room::Full { limit: RoomLimit::Cap } => (
            "the outbox is as large as it may be",
            "it goes on when something was sent; `nowbridge outbox sinks` shows who waits for what, and max_size raises the cap",
        ),
        Room::Near { limit: RoomLimit::Cap } | Room::Ample => (
            "the outbox is nearly as large as it may be",
            "it goes on when something was sent; `nowbridge outbox sinks` shows who waits for what, and max_size raises the cap",
        ),
    }
}

/// An error of the store and what lies behind it: "refused" alone helps nobody.
fn with_causes(error: &OutboxError) -> String {
    let (mut said, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        // SQLite's errors say twice what they are.
        let text = error.to_string();
        if !said.ends_with(&text) {
            said = format!("{said}: {text}");
        }
        cause = error.source();
    }
    said
}

impl FailureKind {
    /// What an error of a conversation asks for.
    pub fn of(error: &WatchError) -> Self {
        match error {
            WatchError::Radio(RadioError::Timeout(_) | RadioError::Other(_)) => Self::RadioHung,
            WatchError::Radio(RadioError::Busy(_)) => Self::RadioBusy,
            WatchError::Radio(RadioError::PairingNeeded(_))
            | WatchError::Refused { code: ErrorCode::NotPaired, .. } => Self::PairingNeeded,
            WatchError::Radio(RadioError::Refused { code }) if WANTS_PAIRING.contains(code) => {
                Self::PairingNeeded
            }
            WatchError::Radio(RadioError::StaleBond(_)) => Self::StaleBond,
            error if error.is_transient() => Self::Passing,
            _ => Self::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_disk_that_is_full_is_not_blamed_on_the_outbox() {
        let told = |limit| SyncError::NoRoom(Room::Near { limit }).to_string();
        assert!(told(RoomLimit::Disk).contains("disk") && !told(RoomLimit::Disk).contains("max_size"));
        assert!(told(RoomLimit::Cap).contains("max_size"));
    }

    #[test]
    fn a_fault_of_the_store_is_told_with_its_cause_and_tried_again() {
        let failed = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_WRITE), None);
        let error = SyncError::from(OutboxError::from(failed));
        assert_eq!(
            error.to_string(),
            "the outbox cannot be written: the outbox database refused: Error code 778: disk I/O error"
        );
        assert_eq!(error.kind(), FailureKind::Store);
        assert!(error.is_transient());
    }
}
