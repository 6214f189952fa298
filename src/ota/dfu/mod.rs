//! Nordic's legacy DFU, as InfiniTime takes it: the second way to bring an image to a watch.
//!
//! It knows no slots and no hashes: what runs is known by its version, an upload that broke off begins anew, and that a new image is kept
//! is for a person to say on the watch. [`Dfu`] is one conversation over a link; [`Past`] is what one conversation knows of those before.
//! Nothing here has been tried on a real watch; `docs/assumptions.md` says what is assumed.

mod client;
mod past;
mod talk;
mod upload;

pub use client::Dfu;
pub use past::{BrokeOff, Past};
