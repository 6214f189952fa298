//! How a session ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SyncError;
use crate::clock::Trust;
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
    /// Whether this computer's clock was believed. If not, what came has no date until it is.
    #[serde(default)]
    pub clock: Trust,
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
        /// What sort of failure that is.
        #[serde(default)]
        kind: FailureKind,
        /// Whether it may work later without anybody doing anything; the kind decides it.
        transient: bool,
    },
}

/// What a failure asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It may be gone the next time.
    #[default]
    Passing,
    /// A call ran into its deadline, or ended in a way that nobody has a name for: a radio that hangs looks like this.
    RadioHung,
    /// The Bluetooth service does something else.
    RadioBusy,
    /// The outbox took nothing. No fault of the watch, nor of the radio.
    Store,
    /// The watch wants to be paired.
    PairingNeeded,
    /// The watch does not know the bond that is here.
    StaleBond,
    /// Trying again will not change it.
    Permanent,
}

impl FailureKind {
    /// Whether it may work later without anybody doing anything.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Passing | Self::RadioHung | Self::RadioBusy | Self::Store => true,
            Self::PairingNeeded | Self::StaleBond | Self::Permanent => false,
        }
    }
}

impl From<&SyncError> for Outcome {
    fn from(error: &SyncError) -> Self {
        let kind = error.kind();
        Self::Failed { reason: error.to_string(), kind, transient: kind.is_transient() }
    }
}

impl SessionReport {
    /// A session that has only begun, now.
    pub(super) const fn begun(device: Option<DeviceId>, at: UtcMicros) -> Self {
        Self {
            device,
            at,
            fetched: 0,
            new: 0,
            duplicate: 0,
            rejected: 0,
            cursor: Seq(0),
            newest: None,
            clock: Trust::Unknown,
            outcome: Outcome::Complete,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_its_kind_and_one_of_old_is_still_read() {
        let failed = Outcome::from(&SyncError::Watch(crate::radio::RadioError::Timeout("a read").into()));
        let json = serde_json::to_value(&failed).unwrap();
        let told = r#"{"result":"failed","reason":"no answer to a read in time","kind":"radio_hung","transient":true}"#;
        assert_eq!(json, serde_json::from_str::<serde_json::Value>(told).unwrap());
        let old = r#"{"result":"failed","reason":"it broke off","transient":true}"#;
        assert!(matches!(
            serde_json::from_str(old).unwrap(),
            Outcome::Failed { kind: FailureKind::Passing, .. }
        ));
    }
}
