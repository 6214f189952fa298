//! The watches that are looked after, as the socket sees them.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::DeskError;
use crate::radio::PeerAddress;
use crate::sync::{WaitReason, WatchState, WatchStatus};

/// A watch that is looked after.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Where it is reached.
    pub address: PeerAddress,
    /// What it is called.
    pub name: Option<String>,
    /// What it is doing.
    pub status: watch::Receiver<WatchStatus>,
    /// Asks for a session now; `None` without a radio.
    pub sync_now: Option<Arc<Notify>>,
    /// Has it let go of the watch, for new firmware; `None` without a radio.
    pub updating: Option<watch::Sender<bool>>,
}

impl Seat {
    /// Its name, or else its address.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.address.0)
    }

    /// Whether the daemon is connected to it.
    pub fn has_link(&self) -> bool {
        matches!(
            self.status.borrow().state,
            WatchState::Syncing(_)
                | WatchState::Live(_)
                | WatchState::Connected { .. }
                | WatchState::Updating
        )
    }

    /// Whether the watch was last found to want a bond that is not there, or that it no longer knows.
    pub fn wants_bond(&self) -> bool {
        let wants = |reason: &WaitReason| matches!(reason, WaitReason::PairingNeeded | WaitReason::StaleBond);
        matches!(&self.status.borrow().state, WatchState::Waiting { reason, .. } if wants(reason))
    }

    /// Both, for a list to choose from.
    fn introduced(&self) -> String {
        match &self.name {
            Some(name) => format!("\"{name}\" ({})", self.address),
            None => self.address.to_string(),
        }
    }
}

/// The watch that is called `asked`, or has this address.
pub fn find<'a>(seats: &'a [Seat], asked: &str) -> Result<&'a Seat, DeskError> {
    let asked = asked.trim();
    let by_name = seats.iter().find(|seat| seat.name.as_deref() == Some(asked));
    let by_address = || seats.iter().find(|seat| seat.address.0.eq_ignore_ascii_case(asked));
    by_name.or_else(by_address).ok_or_else(|| {
        let known = seats.iter().map(Seat::introduced).collect();
        match PeerAddress::parse(asked) {
            Some(address) => DeskError::NotLookedAfter { address, known },
            None => DeskError::UnknownWatch { asked: asked.to_owned(), known },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(address: &str, name: Option<&str>) -> Seat {
        let (address, name) = (PeerAddress(address.to_owned()), name.map(str::to_owned));
        let status = crate::control::status::some_watch(address.clone(), name.clone(), WatchState::Stopped);
        Seat { address, name, status: watch::channel(status).1, sync_now: None, updating: None }
    }

    #[test]
    fn a_watch_is_found_by_name_or_address_and_otherwise_the_known_ones_are_listed() {
        let seats = [seat("E7:12:0A:00:00:01", Some("left wrist")), seat("E7:12:0A:00:00:02", None)];
        for asked in ["left wrist", "e7:12:0a:00:00:01", " E7:12:0A:00:00:01 "] {
            assert_eq!(find(&seats, asked).unwrap().label(), "left wrist");
        }
        let unknown = find(&seats, "right wrist").unwrap_err().to_string();
        assert_eq!(
            unknown,
            "no watch is called \"right wrist\"; there are \"left wrist\" (E7:12:0A:00:00:01), E7:12:0A:00:00:02, \
             and an address looks like \"E7:12:0A:00:00:01\""
        );
        let stranger = find(&seats[..1], "E7:12:0A:00:00:09").unwrap_err().to_string();
        assert_eq!(
            stranger,
            "E7:12:0A:00:00:09 is not looked after here; the only one is \"left wrist\" (E7:12:0A:00:00:01)"
        );
    }
}
