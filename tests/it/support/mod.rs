//! What the stories share.

#[cfg(feature = "sim")]
pub mod air;
#[cfg(feature = "sim")]
pub mod bus;
pub mod cloud;
#[cfg(feature = "sim")]
pub mod daemon;
#[cfg(feature = "sim")]
pub mod fake_bluez;
pub mod memory_cloud;
pub mod outbox;
#[cfg(feature = "sim")]
pub mod pairing;
pub mod private_cloud;
pub mod process;
pub mod served_cloud;
#[cfg(feature = "sim")]
pub mod stage;
#[cfg(feature = "sim")]
pub mod sync;
#[cfg(feature = "sim")]
pub mod tamper;
pub mod upload;
#[cfg(feature = "sim")]
pub mod watch;
