//! Firmware on its way to a watch.

pub mod smp;
