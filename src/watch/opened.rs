//! Which driver takes a device.

use super::{Abilities, Bridge, Driver, DriverName, Identity, Sensor, WatchError};
use crate::radio::Link;

/// A device with the driver that fits it.
#[derive(Debug)]
pub enum Opened<L> {
    /// It offers our bridge service.
    Bridge(Bridge<L>),
    /// It offers standard sensor services.
    Sensor(Sensor<L>),
}

/// The driver that would take the device: the one that can do most with it.
pub fn driver_for<L: Link>(link: &L) -> Option<DriverName> {
    if Bridge::fits(link) {
        Some(DriverName::Bridge)
    } else if Sensor::fits(link) {
        Some(DriverName::Sensor)
    } else {
        None
    }
}

/// Opens the conversation with the driver that fits. Without one the link is closed.
pub async fn open<L: Link>(link: L) -> Result<Opened<L>, WatchError> {
    match driver_for(&link) {
        Some(DriverName::Bridge) => Bridge::open(link).await.map(Opened::Bridge),
        Some(DriverName::Sensor) => Sensor::open(link).await.map(Opened::Sensor),
        None => {
            link.disconnect().await;
            Err(WatchError::NoDriver)
        }
    }
}

impl<L: Link> Opened<L> {
    /// The link, to wait for its end.
    pub fn link(&self) -> &L {
        match self {
            Self::Bridge(bridge) => bridge.link(),
            Self::Sensor(sensor) => sensor.link(),
        }
    }

    /// The driver.
    pub const fn driver(&self) -> DriverName {
        match self {
            Self::Bridge(_) => DriverName::Bridge,
            Self::Sensor(_) => DriverName::Sensor,
        }
    }

    /// What the device can do.
    pub fn abilities(&self) -> Abilities {
        match self {
            Self::Bridge(bridge) => bridge.abilities(),
            Self::Sensor(sensor) => sensor.abilities(),
        }
    }

    /// Asks the device who it is.
    pub async fn identify(&mut self) -> Result<Identity, WatchError> {
        match self {
            Self::Bridge(bridge) => bridge.identify().await,
            Self::Sensor(sensor) => sensor.identify().await,
        }
    }

    /// Closes the link.
    pub async fn close(self) {
        match self {
            Self::Bridge(bridge) => bridge.close().await,
            Self::Sensor(sensor) => sensor.close().await,
        }
    }
}
