//! The first 32 bytes of an image.

use super::error::ImageError;
use super::{Flags, ImageVersion};

/// What an image begins with, as a little-endian number.
pub const MAGIC: u32 = 0x96f3_b83d;

/// Bytes of the header that say something; `header_size` counts the padding behind them, too.
pub const HEADER_SIZE: usize = 32;

/// What the first 32 bytes say. Sizes are as written there: nothing is checked against a file yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where in RAM the image goes, if it says that it does.
    pub load_address: u32,
    /// Bytes before the payload: 32, or more with padding.
    pub header_size: u16,
    /// Bytes of the protected TLV area with its own four; 0 if there is none.
    pub protected_size: u16,
    /// Bytes of the payload.
    pub image_size: u32,
    /// What kind of image it is.
    pub flags: Flags,
    /// Which firmware it is.
    pub version: ImageVersion,
    /// The last four bytes, which mean nothing.
    pub reserved: u32,
}

impl Header {
    /// Reads the header that `bytes` begin with.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let Some(bytes) = bytes.first_chunk::<HEADER_SIZE>() else {
            let begins_right = bytes.len() >= 4 && bytes.starts_with(&MAGIC.to_le_bytes());
            let (needed, actual) = (HEADER_SIZE as u64, bytes.len() as u64);
            return Err(if begins_right {
                ImageError::Truncated { needed, actual }
            } else {
                ImageError::NotAnImage
            });
        };
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if u32_at(0) != MAGIC {
            return Err(ImageError::NotAnImage);
        }
        Ok(Self {
            load_address: u32_at(4),
            header_size: u16_at(8),
            protected_size: u16_at(10),
            image_size: u32_at(12),
            flags: Flags(u32_at(16)),
            version: ImageVersion {
                major: bytes[20],
                minor: bytes[21],
                revision: u16_at(22),
                build: u32_at(24),
            },
            reserved: u32_at(28),
        })
    }

    /// The 32 bytes that say this.
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        let ImageVersion { major, minor, revision, build } = self.version;
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.load_address.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.header_size.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.protected_size.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.image_size.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.flags.0.to_le_bytes());
        bytes[20..22].copy_from_slice(&[major, minor]);
        bytes[22..24].copy_from_slice(&revision.to_le_bytes());
        bytes[24..28].copy_from_slice(&build.to_le_bytes());
        bytes[28..].copy_from_slice(&self.reserved.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_header_is_read_as_it_was_written(mut bytes in any::<[u8; HEADER_SIZE]>()) {
            bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
            prop_assert_eq!(Header::parse(&bytes).unwrap().encode(), bytes);
            for length in 4..HEADER_SIZE {
                let truncated = ImageError::Truncated { needed: 32, actual: length as u64 };
                prop_assert_eq!(Header::parse(&bytes[..length]), Err(truncated));
            }
        }
    }
}
