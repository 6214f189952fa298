//! Pairing as an errand: while a person looks for digits, nothing else is connected.

use std::time::Duration;

use super::errand::Errand;
use super::ground::Ground;
use super::pairing;
use crate::radio::{PairingDesk, PeerAddress, RadioError};

/// Looking for the watch, connecting, and a person who answers; each has a deadline of its own.
const PAIRING_DEADLINE: Duration = Duration::from_mins(4);

/// A pairing.
#[derive(Debug)]
pub(super) struct Pair {
    pub peer: PeerAddress,
    pub desk: PairingDesk,
}

impl Errand for Pair {
    type Gain = ();

    const WHAT: &'static str = "a pairing";

    fn limit(&self) -> Duration {
        PAIRING_DEADLINE
    }

    async fn run(&mut self, ground: &Ground) -> Result<(), RadioError> {
        pairing::pair(&ground.bus, &ground.adapter, &self.peer, self.desk.clone()).await
    }

    /// A pairing that nobody waits for calls itself off.
    async fn clean_up(&mut self, _ground: &Ground) {}
}
