//! The answer to "what is going on?". Fields are only ever added.

use serde::{Deserialize, Serialize};

use crate::cloud::AuthState;
use crate::measurement::UtcMicros;
use crate::outbox::Summary;
use crate::sync::WatchStatus;
use crate::upload::UploadStatus;

/// Everything at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon itself.
    pub daemon: DaemonStatus,
    /// Each configured watch.
    pub watches: Vec<WatchStatus>,
    /// The cloud, if one is configured.
    pub cloud: Option<CloudStatus>,
    /// What is stored; `None` until the outbox is open.
    pub outbox: Option<Summary>,
}

/// The daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs.
    pub started: UtcMicros,
    /// How far it is.
    pub stage: StageName,
}

/// How far the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// The outbox is being opened.
    Starting,
    /// All loops run.
    Running,
    /// Going down.
    Stopping,
}

/// The cloud and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudStatus {
    /// Where it is.
    pub base_url: String,
    /// Whether we are logged in.
    pub auth: AuthState,
    /// The upload loop.
    pub upload: UploadStatus,
}
