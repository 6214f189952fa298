//! What can be tried when a radio is wedged, mildest first.

use serde::{Deserialize, Serialize};

/// A step of the recovery ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryStep {
    /// Stop a discovery of ours that may be stuck.
    StopDiscovery,
    /// Disconnect the watch in question, whatever the Bluetooth service believes of it. Never another device.
    DisconnectWatch,
    /// Switch the adapter off and on. Other users of the adapter lose their links, too.
    PowerCycle,
}

impl RecoveryStep {
    /// Every step, mildest first.
    pub const ALL: [Self; 3] = [Self::StopDiscovery, Self::DisconnectWatch, Self::PowerCycle];
}
