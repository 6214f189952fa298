//! What the stories share.

pub mod cloud;
pub mod private_cloud;
