//! What a watch is doing right now, as `status` prints it.

use serde::{Deserialize, Serialize};

use super::SessionReport;
use crate::measurement::UtcMicros;
use crate::radio::{PeerAddress, RadioTrouble};
use crate::wire::bridge::{DeviceId, Seq};

/// How far a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The last block that is safe.
    pub cursor: Seq,
    /// The newest block on the watch.
    pub head: Seq,
    /// Blocks fetched in this session.
    pub fetched: u64,
}

/// Why nothing happens at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum WaitReason {
    /// Everything is fetched; the next look is due then.
    Scheduled,
    /// The watch does not answer: away, off, or connected elsewhere. Not a fault.
    Away,
    /// The radio cannot be used.
    RadioNotReady {
        /// Why.
        #[serde(flatten)]
        trouble: RadioTrouble,
    },
    /// The last attempt broke off.
    Failed {
        /// What happened.
        detail: String,
        /// Failures in a row.
        failures: u32,
    },
}

/// What a watch is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WatchState {
    /// Reaching for it.
    Connecting,
    /// A session runs.
    Syncing(Progress),
    /// Connected, everything fetched.
    Connected {
        /// When the next session is due.
        next_sync: UtcMicros,
    },
    /// Not connected.
    Waiting {
        /// Why.
        #[serde(flatten)]
        reason: WaitReason,
        /// Until when at the latest.
        until: UtcMicros,
    },
    /// Not looked for: the configuration switches the radio off.
    RadioOff,
    /// The daemon is going down.
    Stopped,
}

/// All there is to say about a watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchStatus {
    /// Where it is reached.
    pub address: PeerAddress,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Who it is, once it told.
    pub device: Option<DeviceId>,
    /// What it is doing.
    #[serde(flatten)]
    pub state: WatchState,
    /// When a session last fetched everything there was.
    pub complete_at: Option<UtcMicros>,
    /// How the last session ended.
    pub last_session: Option<SessionReport>,
}
