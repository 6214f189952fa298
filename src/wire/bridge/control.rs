//! Requests of the host and replies of the watch, on the control characteristic. Every message fits 20 bytes, so it works at
//! the smallest MTU. Enums are append-only.

use serde::{Deserialize, Serialize};

use super::info::MessageError;
use super::{LogId, Seq, Stream};

/// The most a control message may take: an ATT payload at MTU 23.
pub const MAX_CONTROL: usize = 20;

/// What the host asks. `id` is echoed in the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Send blocks from `from` on, at most `credit` bytes of them.
    Pull {
        /// Echoed.
        id: u8,
        /// The log the host means.
        log_id: LogId,
        /// The first block wanted.
        from: Seq,
        /// Bytes of blocks the watch may send.
        credit: u32,
    },
    /// Go on: `add` more bytes.
    Credit {
        /// The pull's id.
        id: u8,
        /// Bytes more.
        add: u32,
    },
    /// Everything up to `through` is safe on the host's disk; the watch may free it when it needs room.
    Commit {
        /// Echoed.
        id: u8,
        /// The log the host means.
        log_id: LogId,
        /// The last block that is safe.
        through: Seq,
    },
    /// Seal what is still open, so that it can be pulled.
    Flush {
        /// Echoed.
        id: u8,
    },
    /// End a pull. No block follows the reply.
    Stop {
        /// Echoed.
        id: u8,
    },
    /// Send newest values as they come, for the streams whose bit is set; 0 ends it.
    Live {
        /// Echoed.
        id: u8,
        /// Bit n is stream n.
        mask: u32,
    },
    /// Tell the stream table from `from` on.
    Streams {
        /// Echoed.
        id: u8,
        /// The first stream wanted.
        from: Stream,
    },
}

/// What the watch answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// Done.
    Ok {
        /// The request's.
        id: u8,
    },
    /// Not done.
    Err {
        /// The request's.
        id: u8,
        /// Why.
        code: ErrorCode,
    },
    /// The pull (or the stream table) ended: credit is used, or there is no more.
    End {
        /// The request's.
        id: u8,
        /// The next block there would be.
        next: Seq,
        /// The newest sealed block.
        head: Seq,
        /// The oldest block still there.
        tail: Seq,
    },
    /// One row of the stream table. Not on the reference page, which names the request only; appended by version 1.
    Stream {
        /// The request's.
        id: u8,
        /// The stream.
        stream: Stream,
        /// Real value = stored number / scale.
        scale: i32,
        /// Time between samples, ms; 0 where samples carry their own time.
        period_ms: u32,
    },
}

/// Why the watch refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(from = "u8", into = "u8")]
pub enum ErrorCode {
    /// 1
    #[error("the watch cannot read the request")]
    BadRequest,
    /// 2: info must be read anew.
    #[error("the watch has started another log")]
    WrongLog,
    /// 3: a gap; pull from the tail.
    #[error("the blocks asked for were overwritten")]
    BeforeTail,
    /// 4
    #[error("the watch is busy")]
    Busy,
    /// 5
    #[error("the watch wants to be paired first")]
    NotPaired,
    /// 6
    #[error("the watch does not support this")]
    Unsupported,
    /// 7
    #[error("the watch cannot read its flash")]
    Flash,
    /// A code of a later version.
    #[error("the watch refused with code {0}")]
    Other(u8),
}

impl From<u8> for ErrorCode {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::BadRequest,
            2 => Self::WrongLog,
            3 => Self::BeforeTail,
            4 => Self::Busy,
            5 => Self::NotPaired,
            6 => Self::Unsupported,
            7 => Self::Flash,
            other => Self::Other(other),
        }
    }
}

impl From<ErrorCode> for u8 {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::BadRequest => 1,
            ErrorCode::WrongLog => 2,
            ErrorCode::BeforeTail => 3,
            ErrorCode::Busy => 4,
            ErrorCode::NotPaired => 5,
            ErrorCode::Unsupported => 6,
            ErrorCode::Flash => 7,
            ErrorCode::Other(other) => other,
        }
    }
}

impl Request {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("integers always serialise")
    }

    /// Reads a message; bytes after it are a later version's and are ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        postcard::from_bytes(bytes).map_err(|_| MessageError::Unreadable("request"))
    }
}

impl Response {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("integers always serialise")
    }

    /// Reads a message; bytes after it are a later version's and are ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        postcard::from_bytes(bytes).map_err(|_| MessageError::Unreadable("response"))
    }

    /// The id of the request that this answers.
    pub const fn id(&self) -> u8 {
        match *self {
            Self::Ok { id } | Self::Err { id, .. } | Self::End { id, .. } | Self::Stream { id, .. } => id,
        }
    }
}
