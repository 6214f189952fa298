//! A watch whose radio says something else than the watch.

use bytes::Bytes;
use nowbridge::radio::air::{Advertisement, AttError, Doorbell, Peripheral, Presence};
use nowbridge::sim::WatchOnAir;
use nowbridge::wire::bridge::{CONTROL, Request};
use tokio::time::Instant;
use uuid::Uuid;

/// What is done to what a watch says.
pub trait Tamper: Send + 'static {
    /// The host has asked for something.
    fn heard(&mut self, _request: &Request) {}

    /// The watch notifies; `None` is lost.
    fn said(&mut self, _characteristic: Uuid, value: Bytes) -> Option<Bytes> {
        Some(value)
    }

    /// The watch is read.
    fn shown(&mut self, _characteristic: Uuid, value: Vec<u8>) -> Vec<u8> {
        value
    }

    /// A notification that nobody has asked for.
    fn blurted(&mut self) -> Option<(Uuid, Bytes)> {
        None
    }
}

/// A watch that is tampered with.
pub struct Tampered<T> {
    pub watch: WatchOnAir,
    pub tamper: T,
}

impl<T: Tamper> Peripheral for Tampered<T> {
    fn advertisement(&self) -> Option<Advertisement> {
        self.watch.advertisement()
    }

    fn characteristics(&self) -> Vec<Uuid> {
        self.watch.characteristics()
    }

    fn presence(&self) -> Presence {
        self.watch.presence()
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.watch.take_doorbell(doorbell);
    }

    fn wake_at(&self) -> Option<Instant> {
        self.watch.wake_at()
    }

    fn connected(&mut self, mtu: u16) {
        self.watch.connected(mtu);
    }

    fn disconnected(&mut self) {
        self.watch.disconnected();
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        self.watch.subscribe(characteristic)
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        let value = self.watch.read(characteristic)?;
        Ok(self.tamper.shown(characteristic, value))
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        if characteristic == CONTROL {
            self.tamper.heard(&Request::decode(value).unwrap());
        }
        self.watch.write(characteristic, value)
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        if let Some(blurted) = self.tamper.blurted() {
            return Some(blurted);
        }
        loop {
            let (characteristic, value) = self.watch.notify()?;
            if let Some(value) = self.tamper.said(characteristic, value) {
                return Some((characteristic, value));
            }
        }
    }
}
