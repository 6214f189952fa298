//! The receivers besides the NOWATCH API: files in a folder, InfluxDB, an MQTT broker.

pub mod folder;
pub mod influx;
#[cfg(feature = "mqtt")]
pub mod mqtt;
mod row;

pub use folder::Folder;
pub use influx::Influx;
#[cfg(feature = "mqtt")]
pub use mqtt::Mqtt;

/// Stands in a receipt where there was no HTTP.
pub const NO_HTTP: u16 = 0;
