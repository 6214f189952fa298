//! What a job means here: whom it is about, judged before anything is done.

use std::fmt;
use std::time::Duration;

use crate::control::{DeskError, Job, Seat, find};
use crate::radio::PeerAddress;

/// Seconds that a scan may listen.
const SCAN: (u32, u32) = (1, 120);
/// Seconds that a person may have to pair.
const PAIR: (u32, u32) = (5, 600);

/// A job that makes sense.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Listen.
    Scan {
        /// For so long.
        window: Duration,
    },
    /// Look what a device offers.
    Probe {
        /// Which one.
        peer: PeerAddress,
    },
    /// Pair.
    Pair {
        /// With whom.
        peer: PeerAddress,
        /// How long it may take.
        window: Duration,
        /// What to call it.
        name: Option<String>,
    },
    /// Forget the bond and pair anew.
    Repair {
        /// With whom.
        peer: PeerAddress,
        /// How long it may take.
        window: Duration,
        /// What it is called.
        name: Option<String>,
        /// Whether it has said that it wants to be paired.
        wants_bond: bool,
    },
    /// Forget the bond and the watch.
    Unpair {
        /// Which one.
        peer: PeerAddress,
    },
}

impl Plan {
    /// Judges a job by the watches that are looked after.
    pub fn new(job: &Job, seats: &[Seat]) -> Result<Self, DeskError> {
        Ok(match job {
            Job::Scan { seconds } => Self::Scan { window: window(*seconds, SCAN)? },
            Job::Probe { watch } => {
                let peer = whichever(watch, seats)?;
                match seats.iter().find(|seat| seat.address == peer) {
                    Some(seat) if seat.has_link() => return Err(DeskError::Connected(peer)),
                    _ => Self::Probe { peer },
                }
            }
            Job::Pair { address, seconds, name } => {
                let peer =
                    PeerAddress::parse(address).ok_or_else(|| DeskError::NotAnAddress(address.clone()))?;
                let name = name.as_deref().map(str::trim).filter(|name| !name.is_empty());
                let is_taken = |seat: &Seat| seat.address != peer && seat.name.as_deref() == name;
                if let Some(taken) = name.filter(|_| seats.iter().any(is_taken)) {
                    return Err(DeskError::NameTaken(taken.to_owned()));
                }
                Self::Pair { peer, window: window(*seconds, PAIR)?, name: name.map(str::to_owned) }
            }
            Job::Repair { watch, seconds } => {
                let peer = whichever(watch, seats)?;
                let seat = seats.iter().find(|seat| seat.address == peer);
                let (name, wants_bond) =
                    (seat.and_then(|seat| seat.name.clone()), seat.is_some_and(Seat::wants_bond));
                Self::Repair { peer, window: window(*seconds, PAIR)?, name, wants_bond }
            }
            Job::Unpair { watch } => Self::Unpair { peer: whichever(watch, seats)? },
        })
    }

    /// Whom it is about.
    pub const fn peer(&self) -> Option<&PeerAddress> {
        match self {
            Self::Scan { .. } => None,
            Self::Probe { peer }
            | Self::Pair { peer, .. }
            | Self::Repair { peer, .. }
            | Self::Unpair { peer } => Some(peer),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan { .. } => f.write_str("a scan"),
            Self::Probe { peer } => write!(f, "a probe of {peer}"),
            Self::Pair { peer, .. } => write!(f, "a pairing with {peer}"),
            Self::Repair { peer, .. } => write!(f, "a repair of {peer}"),
            Self::Unpair { peer } => write!(f, "unpairing {peer}"),
        }
    }
}

/// A watch of ours, or any address: whoever names one means it.
fn whichever(watch: &str, seats: &[Seat]) -> Result<PeerAddress, DeskError> {
    match find(seats, watch) {
        Ok(seat) => Ok(seat.address.clone()),
        Err(DeskError::NotLookedAfter { address, .. }) => Ok(address),
        Err(unknown) => Err(unknown),
    }
}

fn window(seconds: u32, (least, most): (u32, u32)) -> Result<Duration, DeskError> {
    if (least..=most).contains(&seconds) {
        Ok(Duration::from_secs(seconds.into()))
    } else {
        Err(DeskError::BadWindow { seconds, least, most })
    }
}
