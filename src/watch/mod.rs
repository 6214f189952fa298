//! Drivers: what can be done with a connected watch.
//!
//! A driver turns an open [`crate::radio::Link`] into a conversation: it knows a device's protocol, and nothing of databases or
//! clouds. [`open`] picks the one that fits by what discovery found, never by a name or an appearance.

mod bridge;
mod driver;
mod error;
mod names;
mod opened;
mod sensor;

pub use bridge::{Bridge, Pulled, WatchClock};
pub use driver::{Abilities, Driver, DriverName, Identity, Live, LiveSample};
pub use error::WatchError;
pub use names::known_name;
pub use opened::{Opened, driver_for, open};
pub use sensor::Sensor;
