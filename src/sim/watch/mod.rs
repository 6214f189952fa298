//! The simulated watch: it records, seals, keeps blocks in flash that behaves like flash, and forgets its RAM when the power
//! fails. [`crate::wire::bridge::BridgeDevice`] speaks for it, as it would for a firmware.
//!
//! What is simulated with care is what loses data in real watches: erases and writes that a power cut tears, a ring that
//! overwrites, numbers that must not come twice, a crystal that drifts. The rule throughout: *a block is offered only once it
//! is in flash, and its number is never used again.* The watch keeps a [`WatchLedger`] of what is truly there, so that a test
//! can hold a host's claims against it.

mod clock;
mod faults;
mod flash;
mod follow;
mod ledger;
mod page;
mod plate;
mod power;
mod recorder;
mod ring;
mod sim_watch;
mod slot;
mod store;

pub use faults::Misbehaviour;
pub use flash::{FEWEST_RING_PAGES, Flash, FlashError, PAGE};
pub use ledger::{Counts, Diary, WatchLedger};
pub use power::PowerCut;
pub use recorder::SealPolicy;
pub use sim_watch::{SimWatch, WatchOptions};
