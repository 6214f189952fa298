//! A simulated watch and a private cloud that speaks the NOWATCH API: for the demo, for tests, for users at home.

pub mod cloud;
mod on_air;
pub mod recording;
pub mod smp;
pub mod watch;
mod witness;

pub use on_air::WatchOnAir;
pub use witness::Witnessed;
