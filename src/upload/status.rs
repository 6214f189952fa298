//! What the upload loop is doing, as `status` prints it.

use serde::{Deserialize, Serialize};

use crate::measurement::{Kind, UtcMicros};

/// Why nothing is sent at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum HoldReason {
    /// Somebody has to log in; collecting goes on.
    NeedsLogin {
        /// What the cloud said.
        detail: String,
    },
    /// The account does not consent to sharing data; collecting goes on.
    NoConsent,
    /// The cloud cannot be reached or does not work; tried again by itself.
    Unavailable {
        /// What happened.
        detail: String,
        /// Failures in a row.
        failures: u32,
    },
    /// The clock of this computer is wrong, or the cloud's; what is sent now would be dated wrongly or not be secure.
    WrongClock {
        /// What shows it.
        detail: String,
    },
    /// What answers is not the place that measurements belong to, or does not let us in; nothing is dropped, and it is asked again now
    /// and then.
    Misdirected {
        /// What it said.
        detail: String,
    },
    /// The cloud takes nothing of a kind, whatever it is; nothing is dropped, and one sample is tried now and then. Other
    /// kinds go on.
    Refused {
        /// Of which kind, and what it said.
        detail: String,
    },
    /// The outbox cannot be used right now.
    Outbox {
        /// What happened.
        detail: String,
    },
}

/// What the upload loop is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UploadState {
    /// Everything that can be sent is sent.
    Idle,
    /// A batch is on its way.
    Uploading {
        /// What it holds.
        kind: Kind,
        /// Rows in it. Renamed, as the counts beside the state have `rows`, too.
        #[serde(rename = "batch_rows")]
        rows: u32,
    },
    /// Nothing is sent for now.
    Holding {
        /// Why.
        #[serde(flatten)]
        reason: HoldReason,
        /// Until when at the latest.
        until: UtcMicros,
    },
    /// The daemon is going down.
    Stopped,
}

/// All there is to say about uploading, counted since the daemon started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadStatus {
    /// What it is doing.
    #[serde(flatten)]
    pub state: UploadState,
    /// When the cloud last confirmed a batch.
    pub last_receipt: Option<UtcMicros>,
    /// Batches confirmed.
    pub batches: u64,
    /// Rows confirmed.
    pub rows: u64,
    /// Samples that shared a second with a later one.
    pub folded: u64,
    /// Bytes of CSV confirmed.
    pub csv_bytes: u64,
    /// Bytes sent for them, as they went out: zipped, for the cloud.
    pub sent_bytes: u64,
    /// Blocks put aside as dead letters.
    pub dead: u64,
    /// Samples that are simulated or replayed and may not leave this computer.
    pub held_synthetic: u64,
    /// Samples of a watch whose clock was not compared with UTC yet.
    pub held_undated: u64,
    /// Samples in quarantine: their time cannot be believed. They are kept, and looked at again when more is known of the clock.
    #[serde(default)]
    pub quarantined: u64,
    /// Since when nothing is sent, whatever the reasons were since; `None` if something is, or could be.
    #[serde(default)]
    pub holding_since: Option<UtcMicros>,
}

impl Default for UploadStatus {
    fn default() -> Self {
        Self {
            state: UploadState::Idle,
            last_receipt: None,
            batches: 0,
            rows: 0,
            folded: 0,
            csv_bytes: 0,
            sent_bytes: 0,
            dead: 0,
            held_synthetic: 0,
            held_undated: 0,
            quarantined: 0,
            holding_since: None,
        }
    }
}
