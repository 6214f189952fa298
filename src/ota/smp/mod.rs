//! The host's side of SMP over a link that is open: requests with deadlines, and an image brought over.
//!
//! A [`SmpClient`] speaks over a [`SmpLink`], one request at a time; [`ImageUpload`] keeps several parts under way and survives
//! its link: when that breaks, it is run again with a client over the next one. Nothing here decides what a watch shall run.

mod client;
mod error;
mod gatt;
mod link;
mod rate;
mod session;
mod udp;
mod upload;

pub use client::SmpClient;
pub use error::{SmpClientError, SmpLinkError, UploadError};
pub use gatt::GattSmpLink;
pub use link::SmpLink;
pub use session::Session;
pub use udp::UdpSmpLink;
pub use upload::{ImageUpload, UploadOptions, UploadProgress};
