//! Updates: cloud to firmware store to watch, and never a lie about it.
//!
//! A watch is given an image by one [`Attempt`] after another. Each asks the watch where it stands and takes the step that follows
//! ([`Standing::next`]); the journal in the outbox says what is wanted and how far it came. An update is done only when the watch runs the
//! image, keeps it, and has shown that it is well.

mod attempt;
pub mod dfu;
mod error;
mod gates;
mod progress;
mod protocol;
pub mod smp;
mod standing;
mod station;
mod talk;
mod updater;

pub use attempt::{Attempt, Ending};
pub use error::{OtaError, Remedy};
pub use gates::{BATTERY_WORD, Conditions, Gate, LEAST_BATTERY, LEAST_SIGNAL, gate};
pub use progress::{Leave, Progress};
pub use protocol::{Kept, Protocol, Sent, Station};
pub use standing::{Foreign, Next, Other, Running, Standing, Target};
pub use station::{About, WatchStation};
pub use talk::SmpTalk;
pub use updater::{Doing, Ground, NoImage, Updater};
