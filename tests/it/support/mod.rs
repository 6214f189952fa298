//! What the stories share.

#[cfg(feature = "sim")]
pub mod watch;
