//! The loop that brings an image over, without a clock and without a link: replies and times in, messages out.
//!
//! Whoever drives it asks [`Upload::poll`] what to do until it says to wait, and tells it of replies and of the link's end.
//! Every part is sent at an offset, and a watch drops what it does not expect, so sending again is always safe. Where the
//! upload stands is what the watch says, never what was sent. Reference page on SMP, section 13.3.

mod machine;
mod parts;

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

use super::{MIN_MESSAGE, MessageError, SmpError, Version};
use crate::wire::Sha256;

pub use machine::Upload;

/// A watch erases its slot before it answers the first part: some 100 pages of 85 ms.
pub const FIRST_PATIENCE: Duration = Duration::from_secs(40);
/// How long a watch may be silent over any other part, counted from the last sign of it.
pub const PATIENCE: Duration = Duration::from_millis(2500);
/// How long it may take over the last part, where some compute the hash of it all.
pub const LAST_PATIENCE: Duration = Duration::from_secs(20);
/// How long it may call itself busy without taking anything in.
pub const BUSY_PATIENCE: Duration = Duration::from_mins(1);
/// Replies in a row that bring the upload no further.
pub const IDLE_REPLIES: u32 = 8;
/// How often it may step back, as after a restart of the watch.
pub const STEPS_BACK: u32 = 8;
/// Links in a row that bring the upload no further.
pub const IDLE_LINKS: u32 = 3;

/// What is brought over.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The whole file.
    pub image: Bytes,
    /// The file's hash, by which the watch knows an upload that it has begun.
    pub sha: Sha256,
    /// Which image, on a watch that has several.
    pub number: Option<u32>,
    /// The watch shall refuse an image that is not newer than its own.
    pub upgrade: bool,
    /// The version of the protocol that it speaks.
    pub version: Version,
}

/// What the link and the watch can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Bytes of the longest message, at most [`super::MAX_MESSAGE`].
    pub message: usize,
    /// Messages that may be under way at once.
    pub window: usize,
    /// Bytes of the longest message that goes over in one piece: those arrive even where pieces are not put together.
    pub piece: usize,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hand this message to the link.
    Send(Vec<u8>),
    /// Turn notifications off and on again: that clears half a message on the watch, and on this side it should as well.
    Resubscribe,
    /// Wait for a reply or for this time, whichever comes first.
    WaitUntil(Duration),
    /// Close the link if it is open, make another, and tell [`Upload::reopened`].
    Reconnect,
    /// The watch has it all.
    Done,
    /// It cannot be brought over.
    Failed(UploadFailure),
}

/// Why an image could not be brought over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadFailure {
    /// The file is empty, or larger than the protocol can say.
    #[error("a file of {0} bytes cannot be uploaded")]
    Size(usize),
    /// An upload cannot begin in so small a message.
    #[error("the link carries messages of {0} bytes, and {MIN_MESSAGE} are needed")]
    SmallMessages(usize),
    /// The watch does not want it, and will not another time.
    #[error("the watch refuses the image: {0}")]
    Refused(#[from] SmpError),
    /// A message could not be written.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The watch claims to have more than there is.
    #[error("the watch asks for byte {off} of an image of {len}")]
    PastEnd {
        /// Asked for.
        off: u32,
        /// The image's.
        len: u32,
    },
    /// What arrived has another hash.
    #[error("the watch says that what arrived is not what was sent; upload it again")]
    HashMismatch,
    /// Replies come, and it gets no further.
    #[error("no progress at byte {acked} of {len}; restart the watch and try again")]
    NoProgress {
        /// Where it stands.
        acked: u32,
        /// The image's length.
        len: u32,
    },
    /// So much was sent again that there must be something wrong.
    #[error("{sent} bytes were sent for an image of {len}; the watch keeps losing what it has")]
    Budget {
        /// Bytes of it that were sent.
        sent: u64,
        /// The image's length.
        len: u32,
    },
    /// The watch has been busy all the time.
    #[error("the watch is busy with something else for {} s", .0.as_secs())]
    Busy(Duration),
    /// Links come and go, and nothing is taken in.
    #[error("the watch does not answer at byte {acked} of {len}, over {links} links")]
    Silent {
        /// Where it stands.
        acked: u32,
        /// The image's length.
        len: u32,
        /// Links that were tried.
        links: u32,
    },
}

/// How far it is. Bytes are bytes of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The whole.
    pub len: u32,
    /// What the watch has said that it has.
    pub acked: u32,
    /// Sent, every time counted.
    pub sent: u64,
    /// Sent again, of that.
    pub resent: u64,
    /// Messages sent.
    pub messages: u32,
    /// Replies that did not come in time.
    pub timeouts: u32,
    /// Times that the watch had less than before, or that the link was made again.
    pub restarts: u32,
    /// What the watch had already when it was first asked.
    pub resumed_at: u32,
    /// The longest message now.
    pub message: usize,
    /// Messages that may be under way now.
    pub window: usize,
}
