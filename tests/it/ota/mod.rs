//! Firmware for a watch.

mod model;
mod no_update_ends_with_a_lie;
