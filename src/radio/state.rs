//! Whether the radio can be used at all, apart from any watch.

use serde::{Deserialize, Serialize};

/// Why nothing can be done over the radio at the moment. Each of these ends by itself or by somebody's hand; none is an error of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum RadioTrouble {
    /// Whoever serves the radio does not answer: bluetoothd is not on the bus, or nobody serves the virtual air.
    #[error("{detail}")]
    NoService {
        /// What was tried, and the way out.
        detail: String,
    },
    /// There is no such adapter.
    #[error("{detail}")]
    NoAdapter {
        /// Which one was looked for, and which there are.
        detail: String,
    },
    /// The adapter is switched off.
    #[error("the adapter is switched off; switch it on with `bluetoothctl power on`")]
    AdapterOff,
    /// The adapter is blocked by rfkill.
    #[error("the adapter is blocked; unblock it with `rfkill unblock bluetooth`")]
    Blocked,
    /// The computer is about to sleep.
    #[error("this computer is going to sleep")]
    Asleep,
}

/// Whether the radio can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "radio", rename_all = "snake_case")]
pub enum RadioState {
    /// It can.
    Ready,
    /// It can't, and why.
    NotReady(RadioTrouble),
}

impl RadioState {
    /// Whether it can.
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }

    /// The error that a call ends with now, if it cannot succeed.
    pub fn check(&self) -> Result<(), super::RadioError> {
        match self {
            Self::Ready => Ok(()),
            Self::NotReady(trouble) => Err(super::RadioError::NotReady(trouble.clone())),
        }
    }
}
