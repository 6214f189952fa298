//! What the stories share.

pub mod private_cloud;
