//! What the stories share.

pub mod cloud;
pub mod outbox;
pub mod private_cloud;
