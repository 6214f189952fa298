//! What can go wrong between the host and a watch that speaks SMP.

use std::io;
use std::time::Duration;

use crate::radio::{LinkClosed, RadioError};
use crate::wire::smp::upload::UploadFailure;
use crate::wire::smp::{MessageError, ReplyError, SmpError};

/// The link does not carry.
#[derive(Debug, thiserror::Error)]
pub enum SmpLinkError {
    /// It was closed.
    #[error("the link is gone: {0}")]
    Closed(#[from] LinkClosed),
    /// The watch has no SMP characteristic: it was built without, or shows it only to whom it is paired with.
    #[error("the watch does not offer firmware updates over SMP; if it should, pair it first")]
    NoSmp,
    /// The radio refuses.
    #[error(transparent)]
    Radio(RadioError),
    /// The socket refuses.
    #[error("the connection to the board: {0}")]
    Socket(#[from] io::Error),
    /// Only boards on this computer are spoken to over UDP: SMP protects nothing.
    #[error("{0} is not on this computer; SMP over UDP is spoken to 127.0.0.1 only")]
    NotLoopback(std::net::SocketAddr),
    /// A piece was not taken in time.
    #[error("the link took no message for {} s", .0.as_secs())]
    Stalled(Duration),
}

/// No answer, or not the one that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum SmpClientError {
    /// The link does not carry.
    #[error(transparent)]
    Link(#[from] SmpLinkError),
    /// The watch refuses.
    #[error("the watch refuses {what}: {refusal}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Why not.
        refusal: SmpError,
    },
    /// The answer, or the request, makes no message.
    #[error("{what}: {error}")]
    Message {
        /// What was asked.
        what: &'static str,
        /// What is wrong.
        error: MessageError,
    },
    /// No answer.
    #[error("the watch did not answer {what} within {} s", .after.as_secs_f32())]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long was waited.
        after: Duration,
    },
}

/// An image that is not over yet.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The link broke, or the watch fell silent. Run the upload again over another link: it goes on where it was.
    #[error("the upload has to go on over another link: {}", .0.as_ref().map_or_else(|| "the watch fell silent".to_owned(), ToString::to_string))]
    LinkNeeded(Option<SmpLinkError>),
    /// It has failed for good.
    #[error(transparent)]
    Failed(#[from] UploadFailure),
}

impl From<RadioError> for SmpLinkError {
    fn from(error: RadioError) -> Self {
        match error {
            RadioError::Closed(reason) => Self::Closed(reason),
            RadioError::NoCharacteristic(_) => Self::NoSmp,
            other => Self::Radio(other),
        }
    }
}

impl SmpLinkError {
    /// Whether another link may do better.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Closed(_) | Self::Stalled(_) | Self::Socket(_) => true,
            Self::NoSmp | Self::NotLoopback(_) => false,
            Self::Radio(error) => error.is_transient(),
        }
    }
}

impl SmpClientError {
    /// The error of a reply to a request.
    pub(super) fn of(what: &'static str, error: ReplyError) -> Self {
        match error {
            ReplyError::Refused(refusal) => Self::Refused { what, refusal },
            ReplyError::Unreadable(error) => Self::Message { what, error },
        }
    }

    /// Why the watch refuses, if it does.
    pub const fn refusal(&self) -> Option<&SmpError> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// Whether the watch was built without the command.
    pub fn is_not_supported(&self) -> bool {
        self.refusal().is_some_and(SmpError::is_not_supported)
    }

    /// Whether another try, over another link perhaps, may do better.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Link(error) => error.is_transient(),
            Self::Timeout { .. } => true,
            Self::Refused { .. } | Self::Message { .. } => false,
        }
    }
}
