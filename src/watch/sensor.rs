//! The driver of everything that speaks the standard sensor services.

use super::{Abilities, Driver, DriverName, Identity, Live, LiveSample, WatchError};
use crate::radio::Link;

/// A device with standard sensor services.
#[derive(Debug)]
pub struct Sensor<L> {
    link: L,
}

impl<L: Link> Driver for Sensor<L> {
    type Link = L;

    const NAME: DriverName = DriverName::Sensor;

    fn fits(_link: &L) -> bool {
        false
    }

    async fn open(_link: L) -> Result<Self, WatchError> {
        Err(WatchError::NoDriver)
    }

    fn link(&self) -> &L {
        &self.link
    }

    fn abilities(&self) -> Abilities {
        Abilities::LIVE
    }

    async fn identify(&mut self) -> Result<Identity, WatchError> {
        Err(WatchError::NoDriver)
    }

    async fn check(&mut self) -> Result<(), WatchError> {
        Err(WatchError::NoDriver)
    }

    async fn close(self) {
        self.link.disconnect().await;
    }
}

impl<L: Link> Live for Sensor<L> {
    async fn next(&mut self) -> Result<Vec<LiveSample>, WatchError> {
        Err(WatchError::NoDriver)
    }

    fn unreadable(&self) -> u64 {
        0
    }
}
