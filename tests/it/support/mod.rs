//! What the stories share.

#[cfg(feature = "sim")]
pub mod air;
pub mod cloud;
#[cfg(feature = "sim")]
pub mod daemon;
pub mod memory_cloud;
pub mod outbox;
pub mod private_cloud;
pub mod process;
pub mod served_cloud;
#[cfg(feature = "sim")]
pub mod strap;
#[cfg(feature = "sim")]
pub mod sync;
#[cfg(feature = "sim")]
pub mod tamper;
pub mod upload;
#[cfg(feature = "sim")]
pub mod watch;
#[cfg(feature = "sim")]
pub mod watcher;
