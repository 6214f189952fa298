//! What the stories share.

pub mod cloud;
