//! What can go wrong with an update, and what may be done about it.

use super::Foreign;
use crate::outbox::OutboxError;
use crate::radio::RadioError;
use crate::wire::dfu::PackageError;

/// An update that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum OtaError {
    /// The radio or the link.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// The watch took a request and never answered.
    #[error("the watch did not answer {0}")]
    Silent(&'static str),
    /// The watch answered something that cannot be read or that the protocol does not allow here.
    #[error("the watch answered {request} with something that makes no sense: {detail}")]
    Nonsense {
        /// What was asked.
        request: &'static str,
        /// What came.
        detail: String,
    },
    /// The watch refused.
    #[error("the watch refused {request}: {reason}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// In its words.
        reason: String,
        /// Whether the same may work another time.
        passing: bool,
    },
    /// The watch takes no firmware over the air, or in a way that we do not know.
    #[error(
        "the watch offers no update service that nowbridge knows; `nowbridge probe` shows what it offers"
    )]
    NoService,
    /// What answers is another device.
    #[error("another device answers at the watch's address: {0}")]
    Stranger(String),
    /// The image is larger than the slot.
    #[error("the image has {size} bytes, the watch has room for {room}: it is not for this watch")]
    TooLarge {
        /// The image.
        size: u64,
        /// The slot.
        room: u64,
    },
    /// The watch got everything and says that it is not what was sent.
    #[error("what arrived on the watch is not what was sent")]
    Damaged,
    /// The watch answers, but the image does not grow.
    #[error("the watch takes no more of the image at byte {at}")]
    NoProgress {
        /// Where it stands.
        at: u64,
    },
    /// The watch did what was asked and says otherwise.
    #[error("the watch took {0} and does not show it")]
    NotShown(&'static str),
    /// Somebody else is at it.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// The new image runs, but the watch is not well with it.
    #[error("the watch is not well with its new firmware: {0}")]
    Unwell(String),
    /// The file is not what such a watch takes.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The journal cannot be written; nothing is done that is not written down first.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Connect again and go on from where the watch stands.
    Reconnect,
    /// Leave it for an hour or more.
    Later,
    /// Nothing but a person helps.
    Never,
}

impl OtaError {
    /// What to do.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Radio(error) if error.is_transient() => Remedy::Reconnect,
            Self::Silent(_) | Self::Nonsense { .. } => Remedy::Reconnect,
            Self::Refused { passing: true, .. }
            | Self::Damaged
            | Self::NoProgress { .. }
            | Self::NotShown(_)
            | Self::Unwell(_)
            | Self::Outbox(_) => Remedy::Later,
            Self::Radio(_)
            | Self::Refused { passing: false, .. }
            | Self::NoService
            | Self::Foreign(_)
            | Self::Stranger(_)
            | Self::Package(_)
            | Self::TooLarge { .. } => Remedy::Never,
        }
    }
}
