//! The private cloud.
