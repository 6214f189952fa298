//! The only way in from outside: HTTP and JSON on a Unix socket.
//!
//! ```text
//! GET  /v1/status   what every part is doing            -> Status
//! GET  /v1/events   the same, a line whenever it changes -> Status, one JSON object a line
//! POST /v1/sync     a session with every watch now
//! ```
//!
//! It answers in every stage of the daemon, each request on a connection of its own, and never tells a measured value or a secret. `curl --unix-socket` will do, and the
//! command line uses [`Client`].

mod client;
mod listener;
mod server;
mod stage;
mod status;

pub use client::{Client, ControlError};
pub use server::{bind, serve};
pub use stage::{CloudView, Parts, Stage};
pub use status::{CloudStatus, DaemonStatus, FailingLoop, StageName, Status};
