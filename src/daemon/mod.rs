//! The daemon: opens what is needed, starts the loops, looks after them, and ends them in order.
//!
//! The control socket comes up first and goes down last, so that whoever asks is told what is going on. A loop that fails is
//! started again; one that needs a person says so in the status and the others go on.

mod arrivals;
mod crew;
mod desk;
mod error;
mod files;
mod lifecycle;
mod pairing;
mod plan;
mod probe;
mod service;
mod sinks;
mod spells;
mod supervisor;
mod update_desk;
mod updates;
mod wiring;

pub use error::DaemonError;
pub use lifecycle::run;
pub use probe::{probe, scan};
pub use service::Notifier;
pub use sinks::Sink;
pub use spells::Spells;
pub use wiring::{Cloud, Wiring};
