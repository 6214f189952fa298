//! The bridge service, version 1: our open protocol between a watch and its bridge.

mod ids;
mod stream;

pub use ids::{Boot, DeviceId, InvalidDeviceId, LogId, Seq};
pub use stream::{STREAMS, Stream, StreamInfo};
