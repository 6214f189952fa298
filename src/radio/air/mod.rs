//! The virtual air.
