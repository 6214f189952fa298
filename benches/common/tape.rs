//! What crosses the air, and when: a tape between the air and a watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use nowbridge::radio::air::{Advertisement, AttError, Doorbell, Peripheral, Presence};
use nowbridge::wire::bridge::{CONTROL, DATA, Request};
use tokio::time::Instant;
use uuid::Uuid;

/// What was heard. Clones are the same tape.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<Heard>>);

/// What a tape holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Pulls, credits and commits that reached the watch.
    pub requests: Requests,
    /// Bytes of notifications with blocks, their flags included.
    pub data_bytes: u64,
    /// When the first pull reached the watch.
    pub began: Option<Instant>,
    /// When the last notification with blocks left the watch.
    pub last: Option<Instant>,
    /// Time in which a whole connection event or more passed without a block.
    pub idle: Duration,
}

/// How often the host wanted what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requests {
    /// Pulls.
    pub pulls: u32,
    /// Credits.
    pub credits: u32,
    /// Commits.
    pub commits: u32,
}

impl Tape {
    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// From the first pull to the last notification with blocks.
    pub fn history(&self) -> Duration {
        match (self.began, self.last) {
            (Some(began), Some(last)) => last - began,
            _ => Duration::ZERO,
        }
    }

    fn request(&mut self, value: &[u8]) {
        match Request::decode(value) {
            Ok(Request::Pull { .. }) => {
                self.requests.pulls += 1;
                self.began.get_or_insert_with(Instant::now);
            }
            Ok(Request::Credit { .. }) => self.requests.credits += 1,
            Ok(Request::Commit { .. }) => self.requests.commits += 1,
            _ => {}
        }
    }

    fn data(&mut self, bytes: usize, interval: Duration) {
        self.data_bytes += bytes as u64;
        let now = Instant::now();
        if let Some(before) = self.last.or(self.began) {
            self.idle += (now - before).saturating_sub(interval);
        }
        self.last = Some(now);
    }
}

/// A peripheral with a tape running.
pub struct Taped<P> {
    /// The peripheral.
    pub peripheral: P,
    /// The tape.
    pub tape: Tape,
    /// Time between two connection events.
    pub interval: Duration,
}

impl<P: Peripheral> Peripheral for Taped<P> {
    fn advertisement(&self) -> Option<Advertisement> {
        self.peripheral.advertisement()
    }

    fn characteristics(&self) -> Vec<Uuid> {
        self.peripheral.characteristics()
    }

    fn presence(&self) -> Presence {
        self.peripheral.presence()
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.peripheral.take_doorbell(doorbell);
    }

    fn wake_at(&self) -> Option<Instant> {
        self.peripheral.wake_at()
    }

    fn connected(&mut self, mtu: u16) {
        self.peripheral.connected(mtu);
    }

    fn disconnected(&mut self) {
        self.peripheral.disconnected();
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        self.peripheral.subscribe(characteristic)
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        self.peripheral.read(characteristic)
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        if characteristic == CONTROL {
            self.tape.lock().request(value);
        }
        self.peripheral.write(characteristic, value)
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        let next = self.peripheral.notify();
        if let Some((DATA, value)) = &next {
            self.tape.lock().data(value.len(), self.interval);
        }
        next
    }
}
