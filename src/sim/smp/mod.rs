//! The simulated watch's firmware: two slots, a boot loader that swaps them, and the Simple Management Protocol by which a host
//! updates it.
//!
//! [`SmpDevice`] is messages in, messages out. [`SmpWatch`] gives it buffers, flash that takes time and restarts, on tokio's time;
//! [`Updatable`] puts that on the virtual air beside the bridge service of the same watch, and [`serve_udp`] answers the clients of
//! others. What is followed is the reference page on firmware: uploads 3.2, states 3.3, boot loader 4.1, transport 5, faults 13.5.

mod boot;
mod device;
mod faults;
mod flags;
mod flash;
mod image;
mod info;
mod link;
mod peripheral;
mod served;
mod state;
mod udp;
mod upload;

pub use boot::Booted;
pub use device::{Effects, End, SmpDevice};
pub use faults::{Fault, NewImage, Planned, Step};
pub use flags::{Build, Flags, Mode};
pub use flash::{PAGE, Work};
pub use image::image;
pub use link::{Pace, Setting};
pub use peripheral::Updatable;
pub use served::SmpWatch;
pub use udp::serve_udp;
