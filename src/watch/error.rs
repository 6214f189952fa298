//! What can go wrong in a conversation with a watch.

use crate::radio::RadioError;
use crate::wire::bridge::{DataError, ErrorCode, MessageError};

/// A conversation that failed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The radio or the link.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// No driver fits what the peer offers.
    #[error("no driver fits this device; `nowbridge probe` shows what it offers")]
    NoDriver,
    /// The watch sent a message that cannot be read, or speaks another version.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The watch refused a request.
    #[error("{request} was refused: {code}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// Its reason.
        code: ErrorCode,
    },
    /// The watch accepted a request but never answered it.
    #[error("the watch did not answer {0}")]
    Silent(&'static str),
    /// Blocks were lost or damaged on the way.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The watch answered something that the protocol does not allow here.
    #[error("the watch answered {request} with {answer}, which the protocol does not allow")]
    OutOfTurn {
        /// What was asked.
        request: &'static str,
        /// What came.
        answer: String,
    },
}

impl WatchError {
    /// Whether the same may succeed later without anybody doing anything.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Radio(error) => error.is_transient(),
            Self::NoDriver | Self::Message(MessageError::Version { .. } | MessageError::ReservedLog) => false,
            Self::Refused { code, .. } => !matches!(code, ErrorCode::NotPaired | ErrorCode::Unsupported),
            // A message that cannot be read may have been damaged on its way.
            Self::Message(MessageError::Unreadable(_))
            | Self::Silent(_)
            | Self::Data(_)
            | Self::OutOfTurn { .. } => true,
        }
    }
}
