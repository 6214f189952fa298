//! What the stories share.

pub mod cloud;
pub mod memory_cloud;
pub mod outbox;
pub mod private_cloud;
pub mod served_cloud;
pub mod upload;
