//! What can go wrong in a session.

use crate::outbox::OutboxError;
use crate::watch::WatchError;
use crate::wire::bridge::{ErrorCode, Seq};

/// Why a session broke off. What was committed before stays.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The conversation with the watch.
    #[error(transparent)]
    Watch(WatchError),
    /// The store; nothing that is not in it was acknowledged.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The store again, at the end of a live session: what was measured and not stored is lost.
    #[error("{samples} samples could not be stored and are lost: {source}")]
    Unsaved {
        /// How many.
        samples: u64,
        /// Why.
        source: OutboxError,
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
    /// Whether it may work later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Watch(error) => error.is_transient(),
            Self::Outbox(error) | Self::Unsaved { source: error, .. } => error.is_transient(),
            Self::LogChanged | Self::NumberReused(_) | Self::NoProgress { .. } => true,
        }
    }
}
