//! What the stories share.

#[cfg(feature = "sim")]
pub mod air;
pub mod cloud;
#[cfg(feature = "sim")]
pub mod daemon;
pub mod outbox;
pub mod private_cloud;
pub mod process;
#[cfg(feature = "sim")]
pub mod sync;
#[cfg(feature = "sim")]
pub mod tamper;
#[cfg(feature = "sim")]
pub mod watch;
pub mod memory_cloud;
pub mod outbox;
pub mod private_cloud;
pub mod served_cloud;
pub mod upload;
