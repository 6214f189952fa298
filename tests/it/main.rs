//! Every story in one binary: linking is what takes the time.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test by panicking, as the test itself would"
)]

mod air;
mod bluez;
mod cli;
mod clock;
mod cloud;
mod config;
mod control;
mod daemon;
mod demo;
mod firmware;
mod golden;
mod ledger;
mod ota;
mod outbox;
mod power;
mod private_cloud;
mod recording;
mod sensor;
mod sim_watch;
mod sinks;
mod support;
mod sync;
mod upload;
