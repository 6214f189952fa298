//! What the stories share.

pub mod outbox;
