//! The seam: whoever measurements are sent to, and what becomes of a parcel there.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use uuid::Uuid;

use super::table::Table;
use crate::measurement::Kind;
use crate::outbox::Receipt;
use crate::wire::bridge::DeviceId;

/// A batch on its way. Built again for a retry, it is the same, byte by byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// The watch it comes from.
    pub device: DeviceId,
    /// Whether it is simulated or replayed; a receiver that is not on this computer never gets to see such a one.
    pub synthetic: bool,
    /// What a receiver can tell a retry by.
    pub key: Uuid,
    /// What it holds.
    pub table: Table,
}

impl Parcel {
    /// What its rows are.
    pub const fn kind(&self) -> Kind {
        self.table.kind
    }
}

/// Takes parcels, one at a time. A call that is repeated with the same parcel does no harm, and every call ends within deadlines of the
/// receiver's own.
pub trait Receiver: Send + 'static {
    /// Whether parcels may come at all: a login, a consent, a connection. Asked before each; what costs a request is remembered.
    fn admits(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Whether it can be asked later what it has, so that it is worth a note what it was sent.
    fn can_be_asked(&self) -> bool {
        false
    }

    /// Delivers one. `Ok` only if the receiver has said that it has it, and has it durably as far as it can tell.
    fn deliver(&mut self, parcel: &Parcel) -> impl Future<Output = Result<Receipt, Failure>> + Send;
}

/// Why a receiver did not take a parcel, or anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    /// What is to be done about it.
    pub verdict: Verdict,
    /// In a sentence, for people.
    pub detail: String,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// What a failure means for the parcel and for those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may be taken later: tried again for ever, with back-off.
    Later,
    /// Somebody has to log in.
    NeedsLogin,
    /// The account's owner does not want it.
    NoConsent,
    /// The clock of this computer, or the receiver's, is wrong.
    WrongClock,
    /// It was sent to the wrong place, or may not be sent: nothing about the parcel, so it is kept and probed for, slowly.
    Misdirected,
    /// Less at once may be taken.
    TooLarge,
    /// The receiver has looked at it and will never take it as it is.
    Rejected,
    /// The receiver knows its key with other bytes.
    KeyReused,
}

impl Failure {
    /// Without status and wait.
    pub fn new(verdict: Verdict, detail: impl fmt::Display) -> Self {
        Self { verdict, detail: detail.to_string(), status: None, retry_after: None }
    }

    /// Whether it is about this parcel: its size, or what is in it.
    pub const fn is_about_the_parcel(&self) -> bool {
        matches!(self.verdict, Verdict::TooLarge | Verdict::Rejected)
    }
}
