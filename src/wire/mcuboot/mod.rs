//! `MCUboot` images: the file that goes into a slot of the watch, and what its header and its TLVs say.
//!
//! Little-endian throughout: a header of 32 bytes and padding, the payload, perhaps a protected TLV area, a TLV area, and perhaps
//! padding up to the slot's end with the trailer. An [`Image`] is only ever had of a file whose lengths add up and whose hash is right.

mod build;
mod error;
mod flags;
mod header;
mod image;
mod key;
mod tlv;
mod trailer;
mod version;

pub use build::{BuildError, ImageBuilder};
pub use error::{ImageError, SignatureError};
pub use flags::Flags;
pub use header::{HEADER_SIZE, Header, MAGIC};
pub use image::{Dependency, Image};
pub use key::{ImageKey, ImageKeyError};
pub use tlv::{Tlv, TlvKind};
pub use trailer::{Magic, Mark, Swap, Trailer, TrailerError, decide};
pub use version::{ImageVersion, ImageVersionError};
