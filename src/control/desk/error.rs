//! Why a radio matter came to nothing.

use serde::{Deserialize, Serialize};

use crate::outbox::{EntryId, OutboxError, SinkName};
use crate::radio::{PeerAddress, RadioError};
use crate::upload::VerifyError;
use crate::watch::WatchError;

/// What an address looks like.
const EXAMPLE: &str = "E7:12:0A:00:00:01";

/// Why a radio matter came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Neither a name nor an address.
    #[error(
        "no watch is called \"{asked}\"; {}, and an address looks like \"{EXAMPLE}\"",
        known_names(known)
    )]
    UnknownWatch {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: Vec<String>,
    },
    /// An address, but not of a watch that is looked after.
    #[error("{address} is not looked after here; {}", known_names(known))]
    NotLookedAfter {
        /// Which one.
        address: PeerAddress,
        /// What there is.
        known: Vec<String>,
    },
    /// Nothing in the ledger is of such a watch.
    #[error("nothing is stored of a watch called \"{asked}\"; {}", known_names(known))]
    NothingFiled {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: Vec<String>,
    },
    /// There is no such entry in the ledger.
    #[error("the ledger has no {0}; `nowbridge outbox list` shows what it has")]
    NoEntry(EntryId),
    /// Not an address where nothing else will do.
    #[error(
        "\"{0}\" is not a Bluetooth address; one looks like \"{EXAMPLE}\", and `nowbridge scan` shows those around"
    )]
    NotAnAddress(String),
    /// Another watch is called so.
    #[error("another watch is called \"{0}\" already; choose another name")]
    NameTaken(String),
    /// A window that is too short or too long.
    #[error("{seconds} s is out of range; it may be {least} to {most}")]
    BadWindow {
        /// What was asked for.
        seconds: u32,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// One at a time.
    #[error("{0} is under way; try again when it is done")]
    Busy(String),
    /// The watch is ours already.
    #[error(
        "the daemon is connected to {0}; run `nowbridge hold {0}` first, and `nowbridge release {0}` afterwards"
    )]
    Connected(PeerAddress),
    /// The configuration says so.
    #[error("the radio is off; set radio.kind in the configuration")]
    RadioOff,
    /// Nobody is there to do it.
    #[error("the daemon is starting or stopping; try again")]
    Stopping,
    /// The question is not, or no longer, open.
    #[error("no question with the number {0} is open; it may have been answered, or the time was up")]
    NoQuestion(u64),
    /// A passkey where yes or no is wanted, or the other way round, or a number that is no passkey.
    #[error("the question wants {0}")]
    WrongAnswer(&'static str),
    /// It takes too long.
    #[error("{0} did not end in time")]
    Overdue(&'static str),
    /// Whoever did it broke down.
    #[error("it broke down: {0}")]
    Broken(String),
    /// What would be forgotten is nowhere else yet.
    #[error(
        "{samples} samples of {watch} were never sent to {sink} and would be lost; wait until they are, or give --even-unsent"
    )]
    Unsent {
        /// Which watch.
        watch: String,
        /// How many.
        samples: u64,
        /// To whom.
        sink: SinkName,
    },
    /// It would come back at once, and begin anew.
    #[error(
        "{0} is still configured: what was given up would be sent to it again; take its section out of the configuration, restart nowbridge, \
         and forget it then"
    )]
    SinkConfigured(SinkName),
    /// Nobody is known by that name.
    #[error("no sink is called \"{asked}\"; {}", known_sinks(known))]
    UnknownSink {
        /// What was asked for.
        asked: SinkName,
        /// What there is.
        known: Vec<SinkName>,
    },
    /// There is nobody to compare with.
    #[error("no cloud is configured; set cloud.base_url in the configuration")]
    NoCloud,
    /// A day that is none, or in the wrong order.
    #[error("{0}")]
    BadDays(String),
    /// A watch of which nothing is known yet.
    #[error("{0} was never reached, so nobody knows what it is; wait until it was")]
    NotMet(String),
    /// An update that nobody has asked for.
    #[error("no update of {0} is under way")]
    NoUpdate(String),
    /// Too late for a change of mind.
    #[error(
        "the watch was told to start its new firmware, and is seen through to the end; if it is not well with it, it goes back"
    )]
    TooLate,
    /// A firmware that does not go to the watch.
    #[error("{problem}")]
    Firmware {
        /// Why not, and the way out.
        problem: String,
        /// Whether it is sound, but not trusted.
        about_trust: bool,
    },
    /// The comparison with the cloud.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The radio.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// The watch.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The store.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// What sort of fault it is: who can do something about it. What programs should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// There is no such watch.
    UnknownWatch,
    /// The request makes no sense.
    Request,
    /// Something else is under way, or the daemon is connected to the watch; later it will go.
    Busy,
    /// The configuration switches the radio off.
    RadioOff,
    /// The radio cannot be used or cannot do this, or the watch does not answer.
    Unreachable,
    /// The watch wants to be paired first, or the bond is stale, or pairing was refused.
    Pairing,
    /// Somebody has to log in to the cloud.
    Login,
    /// The configuration names no cloud.
    NoCloud,
    /// A firmware is damaged, or not for the watch.
    Firmware,
    /// A firmware is not trusted, or the watch has tried it and not kept it.
    Trust,
    /// The daemon starts or stops.
    Stopping,
    /// The outbox is damaged.
    Damaged,
    /// A file or the outbox cannot be written: no room, or no right.
    CannotWrite,
    /// A fault of nowbridge or of its store.
    Internal,
}

/// A fault on its way through the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Complaint {
    /// What sort it is.
    pub fault: Fault,
    /// What happened, and the way out.
    pub message: String,
}

impl DeskError {
    /// What sort of fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::UnknownWatch { .. } | Self::NotLookedAfter { .. } | Self::NothingFiled { .. } => {
                Fault::UnknownWatch
            }
            Self::NotAnAddress(_)
            | Self::NameTaken(_)
            | Self::BadWindow { .. }
            | Self::NoQuestion(_)
            | Self::NoUpdate(_)
            | Self::NoEntry(_)
            | Self::BadDays(_)
            | Self::SinkConfigured(_)
            | Self::UnknownSink { .. }
            | Self::WrongAnswer(_) => Fault::Request,
            Self::Firmware { about_trust: true, .. } => Fault::Trust,
            Self::Firmware { .. } => Fault::Firmware,
            Self::Busy(_) | Self::Connected(_) | Self::Unsent { .. } | Self::TooLate => Fault::Busy,
            Self::RadioOff => Fault::RadioOff,
            Self::NoCloud => Fault::NoCloud,
            Self::Stopping => Fault::Stopping,
            Self::Outbox(error) | Self::Verify(VerifyError::Outbox(error)) => of_outbox(error),
            Self::Broken(_) => Fault::Internal,
            Self::Verify(VerifyError::Cloud { source, .. }) if source.needs_login() => Fault::Login,
            Self::Radio(error) | Self::Watch(WatchError::Radio(error)) => of_radio(error),
            Self::Verify(VerifyError::Cloud { .. }) | Self::Watch(_) | Self::Overdue(_) | Self::NotMet(_) => {
                Fault::Unreachable
            }
        }
    }

    /// The same for the socket.
    pub fn complaint(&self) -> Complaint {
        let message = match self {
            // What the system said is the cause beneath.
            Self::Outbox(error) => with_cause(error),
            other => other.to_string(),
        };
        Complaint { fault: self.fault(), message }
    }
}

const fn of_outbox(error: &OutboxError) -> Fault {
    match error {
        OutboxError::Corrupt { .. }
        | OutboxError::NotADatabase { .. }
        | OutboxError::NothingToSalvage { .. }
        | OutboxError::BackupDamaged { .. } => Fault::Damaged,
        OutboxError::BackupExists { .. } => Fault::Request,
        OutboxError::File { .. }
        | OutboxError::CannotUse { .. }
        | OutboxError::DiskFull { .. }
        | OutboxError::CapReached { .. }
        | OutboxError::NoHeadroom { .. } => Fault::CannotWrite,
        OutboxError::Salvaging { .. } | OutboxError::Busy { .. } | OutboxError::BackupTooSlow { .. } => {
            Fault::Busy
        }
        _ => Fault::Internal,
    }
}

fn with_cause(error: &OutboxError) -> String {
    use std::error::Error as _;

    let said = error.to_string();
    match error.source().map(ToString::to_string) {
        Some(cause) if !said.contains(&cause) => format!("{said}: {cause}"),
        _ => said,
    }
}

const fn of_radio(error: &RadioError) -> Fault {
    match error {
        RadioError::PairingNeeded(_) | RadioError::StaleBond(_) | RadioError::PairingFailed { .. } => {
            Fault::Pairing
        }
        RadioError::Busy(_) | RadioError::OwnErrand(_) => Fault::Busy,
        _ => Fault::Unreachable,
    }
}

fn known_names(known: &[String]) -> String {
    match known {
        [] => "no watch is looked after".to_owned(),
        [only] => format!("the only one is {only}"),
        all => format!("there are {}", all.join(", ")),
    }
}

fn known_sinks(known: &[SinkName]) -> String {
    let names: Vec<&str> = known.iter().map(|sink| sink.0.as_str()).collect();
    match names.as_slice() {
        [] => "none is known".to_owned(),
        [only] => format!("the only one is {only}"),
        all => format!("there are {}", all.join(", ")),
    }
}
