//! nowbridge: a headless phone-bridge for health watches.
//!
//! One promise shapes every room: **a measurement that the watch has shown us is never lost, never duplicated, and never
//! silently late.**

pub mod backoff;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod config;
pub mod control;
pub mod daemon;
pub mod draft;
pub mod firmware;
pub mod measurement;
pub mod ota;
pub mod outbox;
pub mod radio;
#[cfg(feature = "sim")]
pub mod sim;
pub mod sync;
pub mod upload;
pub mod watch;
pub mod wire;
