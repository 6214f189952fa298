//! How a session ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measurement::UtcMicros;
use crate::outbox::{self, LogKey};
use crate::wire::bridge::{DeviceId, Seq};

/// What a session did. Told in `status`, kept in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// The watch, once it told.
    pub device: Option<DeviceId>,
    /// When it ended.
    pub at: UtcMicros,
    /// Blocks that came over the air.
    pub fetched: u64,
    /// Of these, new to the outbox.
    pub new: u64,
    /// Of these, already there.
    pub duplicate: u64,
    /// Blocks that were damaged for good, or that the watch had no right to send.
    pub rejected: u64,
    /// The last block that is safe.
    pub cursor: Seq,
    /// When the newest sample was taken, as far as the watch's clock is known.
    pub newest: Option<UtcMicros>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that the watch had sealed is in the outbox.
    Complete,
    /// It broke off; what was committed stays, the rest is still on the watch.
    Failed {
        /// What happened.
        reason: String,
        /// Whether it may work later without anybody doing anything.
        transient: bool,
    },
}

impl SessionReport {
    /// The same for the ledger.
    pub fn for_ledger(&self, log: LogKey) -> outbox::SessionReport {
        outbox::SessionReport {
            log: Some(log),
            outcome: self.outcome.to_string(),
            fetched: self.fetched,
            new: self.new,
            duplicate: self.duplicate,
            rejected: self.rejected,
            newest: self.newest,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Failed { reason, .. } => write!(f, "failed: {reason}"),
        }
    }
}
