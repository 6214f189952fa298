//! The simulated watch.
