//! `MCUboot` images: the file that goes into a slot of the watch, and what its header and its TLVs say.

mod version;

pub use version::{ImageVersion, ImageVersionError};
