//! The words of the domain: what kinds of measurement there are, what a reading is, and how the NOWATCH API writes one.
//!
//! Nothing here does I/O and nothing here knows of watches, databases or servers. The ten kinds, their columns and the
//! heart-beat frame follow the public API documentation; what that leaves open is marked as an assumption where it stands.

pub mod beats;
pub mod csv;
mod heart_beat;
mod kind;
mod quality;
mod reading;
mod time;
mod timeline;

pub use heart_beat::{Beat, FrameError, HeartBeatFrame};
pub use kind::{Kind, UnknownKind, ValueType};
pub use quality::{InvalidQuality, Quality};
pub use reading::{Reading, Value, ValueError};
pub use time::{Day, DayError, UnixSeconds, UtcMicros};
pub use timeline::{AnchorPoint, Implausible, Timeline, Undated};
