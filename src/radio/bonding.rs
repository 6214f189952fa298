//! What a radio asks of a person while it pairs.

use tokio::sync::{mpsc, oneshot};

/// Whether this host and a watch share keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// They do not.
    None,
    /// They do, as far as this host knows.
    Bonded,
}

/// A question that comes up while pairing. Dropping the reply means no.
#[derive(Debug)]
pub enum PairingPrompt {
    /// The watch shows six digits; they are wanted here.
    EnterPasskey {
        /// 0–999,999.
        reply: oneshot::Sender<u32>,
    },
    /// Six digits to be typed into the watch. No answer is wanted.
    ShowPasskey {
        /// 0–999,999.
        passkey: u32,
    },
    /// Both sides show six digits: are they the same?
    CompareNumbers {
        /// 0–999,999.
        passkey: u32,
        /// Whether they are.
        reply: oneshot::Sender<bool>,
    },
    /// The watch can neither show nor ask anything ("Just Works"): is it the right one?
    Confirm {
        /// Whether it is.
        reply: oneshot::Sender<bool>,
    },
}

/// Where the questions of one pairing go. It is over when the radio drops its end.
pub type PairingDesk = mpsc::Sender<PairingPrompt>;
