//! What a failed attempt means: what to call it, and how patient to be.

use super::policy::Class;
use crate::radio::{LinkClosed, PeerAddress, RadioError, RadioTrouble};
use crate::sync::{FailureKind, Outcome, SessionReport, WaitReason};
use crate::watch::WatchError;
use crate::wire::bridge::DeviceId;

/// Why a visit to the watch broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The watch does not answer, or went out of range.
    Away,
    /// The radio went.
    Radio(RadioTrouble),
    /// The link was gone before it was of any use.
    Aborted(String),
    /// The same again and again, from a watch that this host holds a bond with: it may have forgotten that, or be barely in range.
    BreaksOff(PeerAddress),
    /// The watch, or somebody on this computer, closed the link.
    HungUp(String),
    /// We need the radio for something else.
    OwnErrand(String),
    /// The Bluetooth service is busy.
    Busy(String),
    /// The radio failed in a way that a radio that hangs would.
    Wedged(String),
    /// The link looked open, but nobody was at its other end.
    Ghost(String),
    /// Anything else that may pass.
    Failed(String),
    /// The outbox took nothing.
    Store(String),
    /// A bond is missing.
    PairingNeeded,
    /// A bond is there that the watch does not know.
    StaleBond,
    /// Another device answers at the address.
    Stranger {
        /// It.
        now: DeviceId,
        /// Who answered before.
        before: DeviceId,
        /// The address.
        address: String,
    },
    /// Anything else that will not pass by itself.
    Refused(String),
}

impl Failure {
    /// What an error means. `used`: the watch had told who it is over this link.
    pub fn of(error: &WatchError, used: bool) -> Self {
        match error {
            WatchError::Radio(RadioError::NotFound(_)) => Self::Away,
            WatchError::Radio(RadioError::NotReady(trouble)) => Self::Radio(trouble.clone()),
            WatchError::Radio(RadioError::OwnErrand(_)) => Self::OwnErrand(error.to_string()),
            WatchError::Radio(RadioError::Aborted(_)) => Self::Aborted(error.to_string()),
            WatchError::Radio(RadioError::Closed(closed)) => Self::of_closed(*closed, used),
            error => Self::of_kind(FailureKind::of(error), error.to_string()),
        }
    }

    fn of_kind(kind: FailureKind, said: String) -> Self {
        match kind {
            FailureKind::Passing => Self::Failed(said),
            FailureKind::RadioHung => Self::Wedged(said),
            FailureKind::RadioBusy => Self::Busy(said),
            FailureKind::Store => Self::Store(said),
            FailureKind::PairingNeeded => Self::PairingNeeded,
            FailureKind::StaleBond => Self::StaleBond,
            FailureKind::Permanent => Self::Refused(said),
        }
    }

    /// What the end of a link means.
    pub fn of_closed(closed: LinkClosed, used: bool) -> Self {
        match closed {
            LinkClosed::Lost => Self::Away,
            LinkClosed::RadioGone => Self::Radio(RadioTrouble::NoService { detail: closed.to_string() }),
            LinkClosed::ByPeer | LinkClosed::ByHost if used => Self::HungUp(closed.to_string()),
            LinkClosed::ByPeer | LinkClosed::ByHost => Self::Aborted(closed.to_string()),
        }
    }

    /// What the end of a session means, if it is a failure; `closed` is why its link is gone, if it is.
    pub fn of_session(report: &SessionReport, closed: Option<LinkClosed>) -> Option<Self> {
        match (&report.outcome, closed) {
            (Outcome::Complete, _) => None,
            // We end the link when there is no use in it, and that says nothing.
            (Outcome::Failed { reason, kind: FailureKind::Store, .. }, _) => {
                Some(Self::Store(reason.clone()))
            }
            (Outcome::Failed { .. }, Some(closed)) => Some(Self::of_closed(closed, true)),
            (Outcome::Failed { reason, kind, .. }, None) => Some(Self::of_kind(*kind, reason.clone())),
        }
    }

    /// How patient to be.
    pub const fn class(&self) -> Class {
        match self {
            Self::Away => Class::Away,
            Self::Radio(_) => Class::Radio,
            Self::Aborted(_) | Self::BreaksOff(_) | Self::HungUp(_) => Class::Aborted,
            Self::OwnErrand(_) => Class::OwnErrand,
            Self::Busy(_) => Class::Busy,
            Self::Wedged(_) | Self::Ghost(_) | Self::Store(_) | Self::Failed(_) => Class::Failed,
            Self::PairingNeeded | Self::StaleBond | Self::Stranger { .. } | Self::Refused(_) => Class::Person,
        }
    }

    /// Whether a radio that hangs would look like this.
    pub const fn may_be_the_radio(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Wedged(_))
    }

    /// What to call it.
    pub fn reason(self, failures: u32) -> WaitReason {
        match self {
            Self::Away => WaitReason::Away,
            Self::Radio(trouble) => WaitReason::RadioNotReady { trouble },
            Self::OwnErrand(detail) => WaitReason::RadioTaken { detail },
            Self::Busy(detail) => WaitReason::BusyElsewhere { detail, failures },
            Self::Aborted(detail) | Self::HungUp(detail) | Self::Wedged(detail) | Self::Failed(detail) => {
                WaitReason::Failed { detail, failures }
            }
            Self::BreaksOff(address) => {
                let detail = format!(
                    "the watch breaks off every connection; bring it closer, and if it was reset, run \
                     `nowbridge repair {address}`"
                );
                WaitReason::Failed { detail, failures }
            }
            Self::Ghost(detail) => {
                let detail = format!("the link looked open, but the watch was gone: {detail}");
                WaitReason::Failed { detail, failures }
            }
            Self::Store(detail) => WaitReason::OutboxFails { detail, failures },
            Self::PairingNeeded => WaitReason::PairingNeeded,
            Self::StaleBond => WaitReason::StaleBond,
            Self::Stranger { now, before, address } => WaitReason::Refused {
                detail: format!(
                    "{address} answers as device {now}, but was {before} before; if you replaced the watch, run \
                     `nowbridge repair {address}`"
                ),
            },
            Self::Refused(detail) => WaitReason::Refused { detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_before_its_use_is_not_what_breaks_after() {
        let closed = WatchError::Radio(LinkClosed::ByPeer.into());
        assert!(matches!(Failure::of(&closed, false), Failure::Aborted(_)));
        assert!(matches!(Failure::of(&closed, true), Failure::HungUp(_)));
        for used in [true, false] {
            assert_eq!(Failure::of(&WatchError::Radio(LinkClosed::Lost.into()), used), Failure::Away);
        }
    }

    #[test]
    fn whoever_has_to_be_paired_is_not_tried_again_and_again() {
        let address = PeerAddress("E7:00".to_owned());
        for error in [
            RadioError::PairingNeeded(address.clone()),
            RadioError::Refused { code: 0x05 },
            RadioError::Refused { code: 0x0F },
        ] {
            let failure = Failure::of(&error.into(), false);
            assert_eq!((failure.class(), failure), (Class::Person, Failure::PairingNeeded));
        }
        let stale = Failure::of(&RadioError::StaleBond(address).into(), false);
        assert_eq!((stale.class(), stale.reason(1)), (Class::Person, WaitReason::StaleBond));
        let locked = Failure::of(&RadioError::Refused { code: 0x02 }.into(), false);
        assert!(matches!(locked, Failure::Refused(_)));
    }
}
