//! Faults on purpose: what the air does wrong, how often, and a count of what it did.

use std::sync::Arc;

use fastrand::Rng;
use tokio::sync::watch;

use crate::radio::PeerAddress;

/// Probabilities (0 to 1) of what may go wrong. None by default.
///
/// The same seed and the same traffic give the same faults. Each peripheral has its own dice; setting other faults than before
/// starts them again from the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Where the dice start.
    pub seed: u64,
    /// The link falls silent, per connection event with traffic; it is lost after the supervision timeout.
    pub drop_link: f64,
    /// A notification vanishes, as on a bus whose queue overran.
    pub lose_notification: f64,
    /// A notification arrives with one bit flipped.
    pub corrupt_notification: f64,
    /// A connect ends at once, as BlueZ's does with `le-connection-abort-by-local`.
    pub connect_fails: f64,
    /// A request is carried out and never answered, so that its caller runs into the deadline.
    pub hang: f64,
}

/// What went wrong so far, over all peripherals of an air.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Links that fell silent.
    pub dropped_links: u64,
    /// Notifications that vanished.
    pub lost_notifications: u64,
    /// Notifications with a flipped bit.
    pub corrupted_notifications: u64,
    /// Connects that failed.
    pub failed_connects: u64,
    /// Requests without an answer.
    pub hung_requests: u64,
    /// Not injected: notifications that did not fit into the listener's queue.
    pub overrun_notifications: u64,
    /// Not injected, a fault of the peripheral: notifications longer than the MTU allows, or not subscribed to.
    pub improper_notifications: u64,
}

/// Where the counts are kept.
pub(super) type Counts = Arc<watch::Sender<FaultCounts>>;

/// Decides, for one peripheral, what goes wrong, and counts it.
#[derive(Debug)]
pub(super) struct Dice {
    faults: Faults,
    rng: Rng,
    salt: u64,
    counts: Counts,
}

impl Dice {
    /// The dice of the peripheral at `address`.
    pub fn new(address: &PeerAddress, counts: Counts) -> Self {
        let mut dice =
            Self { faults: Faults::default(), rng: Rng::with_seed(0), salt: fnv1a(&address.0), counts };
        dice.restart();
        dice
    }

    /// Starts again if these are other faults than before.
    pub fn follow(&mut self, faults: Faults) {
        if self.faults != faults {
            self.faults = faults;
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.rng = Rng::with_seed(self.faults.seed ^ self.salt);
    }

    pub fn connect_fails(&mut self) -> bool {
        self.throw(self.faults.connect_fails, |counts| &mut counts.failed_connects)
    }

    pub fn drops_link(&mut self) -> bool {
        self.throw(self.faults.drop_link, |counts| &mut counts.dropped_links)
    }

    pub fn hangs(&mut self) -> bool {
        self.throw(self.faults.hang, |counts| &mut counts.hung_requests)
    }

    pub fn loses_notification(&mut self) -> bool {
        self.throw(self.faults.lose_notification, |counts| &mut counts.lost_notifications)
    }

    /// The bit to flip in a value of this many bytes, if one is to be flipped.
    pub fn corrupts_notification(&mut self, bytes: usize) -> Option<usize> {
        let hit = bytes > 0
            && self.throw(self.faults.corrupt_notification, |counts| &mut counts.corrupted_notifications);
        hit.then(|| self.rng.usize(..bytes * 8))
    }

    pub fn count_improper(&self) {
        self.counts.send_modify(|counts| counts.improper_notifications += 1);
    }

    pub fn count_overrun(&self) {
        self.counts.send_modify(|counts| counts.overrun_notifications += 1);
    }

    fn throw(&mut self, probability: f64, counter: impl FnOnce(&mut FaultCounts) -> &mut u64) -> bool {
        let hit = self.rng.f64() < probability;
        if hit {
            self.counts.send_modify(|counts| *counter(counts) += 1);
        }
        hit
    }
}

/// FNV-1a, so that peripherals with one seed still differ.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
