//! A simulated InfiniTime watch, as far as firmware goes: its DFU service, its slot, its boot loader.
//!
//! Written after InfiniTime's sources, with its habits: what comes at the wrong time is passed over in silence, the size is not checked,
//! the mark that starts an image is set when its last byte has come, and an upload outlives its link for 10 s.

mod boot;
mod on_air;
mod service;

pub use boot::{Firmware, Slots};
pub use on_air::InfiniTimeOnAir;
pub use service::{DfuFaults, DfuService, Loss};
