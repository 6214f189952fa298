//! What the stories share.

#[cfg(feature = "sim")]
pub mod air;
pub mod cloud;
pub mod outbox;
pub mod private_cloud;
#[cfg(feature = "sim")]
pub mod sync;
#[cfg(feature = "sim")]
pub mod tamper;
#[cfg(feature = "sim")]
pub mod watch;
