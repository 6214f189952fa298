//! What can go wrong between the host and a watch.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PeerAddress, RadioTrouble};

/// Why a link is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum LinkClosed {
    /// Nothing heard for the supervision timeout: out of range, or the watch lost power.
    #[error("the watch went out of range or lost power")]
    Lost,
    /// The watch closed the link.
    #[error("the watch closed the link")]
    ByPeer,
    /// We closed it.
    #[error("closed from this side")]
    ByHost,
    /// The adapter or the Bluetooth service went away.
    #[error("the Bluetooth adapter or service went away")]
    RadioGone,
}

/// What can go wrong between the host and a watch.
#[derive(Debug, thiserror::Error)]
pub enum RadioError {
    /// The radio cannot be used.
    #[error("the radio is not ready: {0}")]
    NotReady(RadioTrouble),
    /// The watch does not answer a connect: away, off, or connected to another host.
    #[error("{0} does not answer; it may be away, off, or connected to another phone")]
    NotFound(PeerAddress),
    /// The link came up and was gone before it could be used. Common and passing; from a bonded watch again and again, it means
    /// that the watch has forgotten the bond.
    #[error("the connection to {0} broke off while it was made")]
    Aborted(PeerAddress),
    /// Another operation of ours or of another program is under way at the adapter or with this watch.
    #[error("the Bluetooth service is busy with another operation ({0})")]
    Busy(String),
    /// An errand of our own has the radio: a scan that somebody asked for, say. It ends by itself, and nobody is at fault.
    #[error("nowbridge itself needs the radio for {0}")]
    OwnErrand(&'static str),
    /// The link is closed.
    #[error("the link is gone: {0}")]
    Closed(#[from] LinkClosed),
    /// No answer within the call's deadline, [`super::CALL_DEADLINE`] at most.
    #[error("no answer to {0} in time")]
    Timeout(&'static str),
    /// The peer has no such characteristic.
    #[error("the watch has no characteristic {0}")]
    NoCharacteristic(Uuid),
    /// The peer refused with an ATT error code (Bluetooth Core, Vol 3, Part F, 3.4.1.1).
    #[error("the watch refused with ATT error {code:#04x}")]
    Refused {
        /// The ATT error code.
        code: u8,
    },
    /// The watch talks only over an encrypted link, and there is no bond.
    #[error("{0} wants to be paired first; run `nowbridge pair {0}`")]
    PairingNeeded(PeerAddress),
    /// A bond exists here that the watch no longer knows, or the other way round.
    #[error("the bond with {0} is stale; run `nowbridge repair {0}`")]
    StaleBond(PeerAddress),
    /// Pairing was refused, by the watch or by a person, or took too long.
    #[error("pairing with {peer} failed: {reason}")]
    PairingFailed {
        /// The watch.
        peer: PeerAddress,
        /// What happened.
        reason: String,
    },
    /// This radio cannot do that.
    #[error("this radio cannot {0}")]
    Unsupported(&'static str),
    /// The adapter or its service reported something else.
    #[error("Bluetooth: {0}")]
    Other(String),
}

impl RadioError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub const fn is_transient(&self) -> bool {
        !matches!(
            self,
            Self::NoCharacteristic(_)
                | Self::Refused { .. }
                | Self::PairingNeeded(_)
                | Self::StaleBond(_)
                | Self::PairingFailed { .. }
                | Self::Unsupported(_)
        )
    }
}
