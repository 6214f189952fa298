//! Every story in one binary: linking is what takes the time.

mod air;
mod cloud;
mod config;
mod golden;
mod outbox;
mod private_cloud;
mod recording;
mod sim_watch;
mod support;
