//! What a watch is doing right now, as `status` prints it.

use serde::{Deserialize, Serialize};

use super::{Listening, SessionReport};
use crate::measurement::UtcMicros;
use crate::radio::{PeerAddress, RadioTrouble};
use crate::watch::{DriverName, Identity};
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
    /// Its owner does not want it to be disturbed at this time of day.
    QuietHours,
    /// The watch does not answer: away, off, or connected elsewhere. Not a fault.
    Away,
    /// The radio cannot be used.
    RadioNotReady {
        /// Why.
        #[serde(flatten)]
        trouble: RadioTrouble,
    },
    /// Other watches hold all links that there may be, or one is being connected.
    ItsTurn,
    /// We need the radio for something else, which somebody asked for.
    RadioTaken {
        /// For what.
        detail: String,
    },
    /// It talks only to hosts that it is paired with.
    PairingNeeded,
    /// It no longer knows the bond that this host holds.
    StaleBond,
    /// It cannot be used, or may not; trying again will not change that.
    Refused {
        /// Why, and the way out.
        detail: String,
    },
    /// The Bluetooth service is busy with something else.
    BusyElsewhere {
        /// With what.
        detail: String,
        /// Failures in a row.
        failures: u32,
    },
    /// The radio fails whatever is tried to get it going again.
    RadioStuck {
        /// What happened last.
        detail: String,
        /// Failures in a row.
        failures: u32,
    },
    /// The watch answers, but what it has cannot be stored.
    OutboxFails {
        /// What happened.
        detail: String,
        /// Failures in a row.
        failures: u32,
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
    /// Connected, and taking what it tells as it measures it.
    Live(Listening),
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
        /// Until when at the latest; `None` if that depends on others.
        until: Option<UtcMicros>,
    },
    /// Left alone on somebody's wish, so that another host can have it.
    Held {
        /// Until when; `None` until somebody releases it.
        until: Option<UtcMicros>,
    },
    /// Left alone by this loop while its firmware is replaced.
    Updating,
    /// Not looked for: the configuration switches the radio off.
    RadioOff,
    /// The daemon is going down.
    Stopped,
}

/// What has happened between this daemon and a watch since the daemon was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchCounts {
    /// Attempts to connect.
    pub connects: u64,
    /// Sessions that fetched everything.
    pub complete: u64,
    /// Attempts and sessions that failed. A watch that is away is not a failure.
    pub failures: u64,
    /// Links that looked open when the watch had long gone.
    pub ghosts: u64,
    /// Times that the device answered as another one than before.
    pub strangers: u64,
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
    /// Which driver took it, once it was reached.
    #[serde(default)]
    pub driver: Option<DriverName>,
    /// What it says of itself, once it told.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// What it is doing.
    #[serde(flatten)]
    pub state: WatchState,
    /// When a session last fetched everything there was.
    pub complete_at: Option<UtcMicros>,
    /// How the last session ended.
    pub last_session: Option<SessionReport>,
    /// What has happened so far.
    #[serde(default)]
    pub counts: WatchCounts,
}

impl WaitReason {
    /// The reason in a word, as in the JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::QuietHours => "quiet_hours",
            Self::Away => "away",
            Self::RadioNotReady { .. } => "radio_not_ready",
            Self::ItsTurn => "its_turn",
            Self::RadioTaken { .. } => "radio_taken",
            Self::PairingNeeded => "pairing_needed",
            Self::StaleBond => "stale_bond",
            Self::Refused { .. } => "refused",
            Self::BusyElsewhere { .. } => "busy_elsewhere",
            Self::RadioStuck { .. } => "radio_stuck",
            Self::OutboxFails { .. } => "outbox_fails",
            Self::Failed { .. } => "failed",
        }
    }
}

impl WatchState {
    /// Whether something stands in the way that has to end before the watch is reached for again, whoever asks for it.
    pub const fn is_barred(&self) -> bool {
        matches!(
            self,
            Self::Held { .. }
                | Self::Updating
                | Self::RadioOff
                | Self::Stopped
                | Self::Waiting { reason: WaitReason::RadioNotReady { .. } | WaitReason::QuietHours, .. }
        )
    }

    /// The state in a word; of a waiting watch, the reason.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Syncing(_) => "syncing",
            Self::Live(_) => "live",
            Self::Connected { .. } => "connected",
            Self::Waiting { reason, .. } => reason.name(),
            Self::Held { .. } => "held",
            Self::Updating => "updating",
            Self::RadioOff => "radio_off",
            Self::Stopped => "stopped",
        }
    }
}
