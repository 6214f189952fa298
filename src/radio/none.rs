//! No radio: what a daemon that only uploads is made with. The types have no values, so nothing here can ever run.

use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Central, Link, LinkClosed, Notifications, PeerAddress, RadioError, RadioState, Sighting, WriteMode,
};

/// An adapter that cannot exist.
#[derive(Clone, Copy, Debug)]
pub enum NoRadio {}

impl Central for NoRadio {
    type Link = Self;

    async fn scan(&self, _window: Duration) -> Result<Vec<Sighting>, RadioError> {
        match *self {}
    }

    async fn connect(&self, _peer: &PeerAddress) -> Result<Self, RadioError> {
        match *self {}
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        match *self {}
    }
}

impl Link for NoRadio {
    fn characteristics(&self) -> Vec<Uuid> {
        match *self {}
    }

    fn mtu(&self) -> u16 {
        match *self {}
    }

    async fn read(&self, _characteristic: Uuid) -> Result<Vec<u8>, RadioError> {
        match *self {}
    }

    async fn write(
        &self,
        _characteristic: Uuid,
        _value: Vec<u8>,
        _mode: WriteMode,
    ) -> Result<(), RadioError> {
        match *self {}
    }

    async fn subscribe(&self, _characteristic: Uuid) -> Result<Notifications, RadioError> {
        match *self {}
    }

    async fn closed(&self) -> LinkClosed {
        match *self {}
    }

    async fn disconnect(&self) {
        match *self {}
    }
}
