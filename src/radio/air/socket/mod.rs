//! The virtual air across processes: a Unix socket between [`serve_air`] and `AirCentral::over_socket`.
//!
//! Each scan and each link has a connection of its own, so that the end of the connection is the end of the link, whoever died.

mod client;
mod frames;
mod messages;
mod pump;
mod server;

pub(super) use client::SocketRadio;
pub use server::serve_air;
