//! A room full of strangers: they advertise, and nothing else is known of them.

use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::Advertisement;

/// Strangers heard between two advertisements of a watch.
const HEARD_AT_ONCE: usize = 250;

/// The strangers, and who is heard next.
#[derive(Default)]
pub struct Crowd {
    size: u32,
    next: u32,
}

impl Crowd {
    /// So many strangers.
    pub fn of(size: u32) -> Self {
        Self { size, next: 0 }
    }

    /// Those who are heard now; all take turns.
    pub fn heard(&mut self) -> Vec<(PeerAddress, Advertisement)> {
        let count = HEARD_AT_ONCE.min(self.size as usize);
        (0..count).map(|_| self.stranger()).collect()
    }

    fn stranger(&mut self) -> (PeerAddress, Advertisement) {
        let [_, _, high, low] = self.next.to_be_bytes();
        let address = PeerAddress(format!("D0:00:00:00:{high:02X}:{low:02X}"));
        self.next = (self.next + 1) % self.size;
        (address, Advertisement { name: Some(format!("stranger {high}/{low}")), services: Vec::new() })
    }
}
