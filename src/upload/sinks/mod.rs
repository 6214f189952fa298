//! The receivers besides the NOWATCH API: files in a folder, InfluxDB, an MQTT broker.

pub mod folder;
pub mod influx;
mod row;

pub use folder::Folder;
pub use influx::Influx;

/// Stands in a receipt where there was no HTTP.
pub const NO_HTTP: u16 = 0;
