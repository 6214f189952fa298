//! Formats without I/O: bytes in, values out, and back. No clock, no socket, no async.
//!
//! Everything here can be fed any bytes and answers with a value or an error, never a panic; that is what the property tests
//! and the fuzz targets hold it to.

mod address;
mod base64;
mod sha256;

pub mod app_export;
pub mod bridge;
pub mod dfu;
pub mod gatt;
pub mod mcuboot;
pub mod minisign;
pub mod smp;

pub use address::PeerAddress;
pub use sha256::{Sha256, Sha256Error};
