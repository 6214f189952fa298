//! Drivers: what can be done with a connected watch.
//!
//! A driver turns an open [`crate::radio::Link`] into a conversation: it knows a device's protocol, and nothing of databases or
//! clouds. So far there is one, for our own bridge service.

mod bridge;
mod error;

pub use bridge::{Bridge, Pulled, WatchClock};
pub use error::WatchError;
