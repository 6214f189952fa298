//! What the stories share.

#[cfg(feature = "sim")]
pub mod air;
#[cfg(feature = "sim")]
pub mod watch;
