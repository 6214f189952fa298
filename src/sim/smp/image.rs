//! As much of an MCUboot image as a watch must understand to run it: the header, and the hash and the counter in its TLVs.

use std::ops::Range;

use crate::wire::Sha256;
use crate::wire::mcuboot::ImageVersion;

const MAGIC: u32 = 0x96f3_b83d;
/// What the header itself takes; up to its own `hdr_size` zeros follow.
pub(super) const HEADER: usize = 32;
const NON_BOOTABLE: u32 = 0x10;
const TLV_INFO: u16 = 0x6907;
const PROTECTED_TLV_INFO: u16 = 0x6908;
const TLV_SHA256: u16 = 0x10;
const TLV_COUNTER: u16 = 0x50;
/// Magic and length before each area of TLVs; type and length before each TLV.
const TLV_HEAD: usize = 4;

/// The header of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub version: ImageVersion,
    pub bootable: bool,
    header: usize,
    protected: usize,
    body: usize,
}

/// An image with all its parts in place. It need not be intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub head: Head,
    /// What its TLV says.
    pub hash: Sha256,
    /// The security counter, where it has one.
    pub counter: Option<u32>,
    /// Bytes of it all.
    pub len: usize,
}

/// Whether an image begins here, going by the first four bytes.
pub(super) fn has_magic(bytes: &[u8]) -> bool {
    u32_at(bytes, 0) == Some(MAGIC)
}

impl Head {
    /// Reads a header.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if !has_magic(bytes) {
            return None;
        }
        let version = ImageVersion {
            major: *bytes.get(20)?,
            minor: *bytes.get(21)?,
            revision: u16_at(bytes, 22)?,
            build: u32_at(bytes, 24)?,
        };
        Some(Self {
            version,
            bootable: u32_at(bytes, 16)? & NON_BOOTABLE == 0,
            header: usize::from(u16_at(bytes, 8)?),
            protected: usize::from(u16_at(bytes, 10)?),
            body: u32_at(bytes, 12)? as usize,
        })
    }

    /// What the hash covers.
    const fn hashed(&self) -> usize {
        self.header + self.body + self.protected
    }
}

impl Image {
    /// Reads what a slot begins with.
    pub(super) fn read(slot: &[u8]) -> Option<Self> {
        let head = Head::read(slot)?;
        let mut counter = None;
        if head.protected > 0 {
            let area = tlvs(slot, head.header + head.body, PROTECTED_TLV_INFO)?;
            counter = find(slot, area, TLV_COUNTER).and_then(|value| u32_at(&slot[value], 0));
        }
        let area = tlvs(slot, head.hashed(), TLV_INFO)?;
        let len = area.end;
        let hash = Sha256::try_from(&slot[find(slot, area, TLV_SHA256)?]).ok()?;
        Some(Self { head, hash, counter, len })
    }

    /// Whether it hashes to what its TLV says.
    pub(super) fn is_intact(&self, slot: &[u8]) -> bool {
        slot.get(..self.head.hashed()).is_some_and(|hashed| Sha256::of(hashed) == self.hash)
    }
}

/// Where the TLVs of an area are.
fn tlvs(slot: &[u8], at: usize, magic: u16) -> Option<Range<usize>> {
    let total = usize::from(u16_at(slot, at + 2)?);
    let area = at + TLV_HEAD..at + total.max(TLV_HEAD);
    (u16_at(slot, at)? == magic && area.end <= slot.len()).then_some(area)
}

/// Where the value of the first TLV of a kind is.
fn find(slot: &[u8], area: Range<usize>, kind: u16) -> Option<Range<usize>> {
    let mut at = area.start;
    while at + TLV_HEAD <= area.end {
        let value = at + TLV_HEAD..at + TLV_HEAD + usize::from(u16_at(slot, at + 2)?);
        if value.end > area.end {
            return None;
        }
        if u16_at(slot, at)? == kind {
            return Some(value);
        }
        at = value.end;
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// An unsigned image of this version around a payload, as the signing tool makes one without a key; a counter goes into its
/// protected part.
pub fn image(version: ImageVersion, payload: &[u8], counter: Option<u32>) -> Vec<u8> {
    let protected = counter.map_or(0, |_| 2 * TLV_HEAD + 4);
    let mut bytes = Vec::with_capacity(HEADER + payload.len() + protected + 40);
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((HEADER as u16).to_le_bytes());
    bytes.extend((protected as u16).to_le_bytes());
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend([version.major, version.minor]);
    bytes.extend(version.revision.to_le_bytes());
    bytes.extend(version.build.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    let words = |bytes: &mut Vec<u8>, words: [u16; 2]| bytes.extend(words.map(u16::to_le_bytes).concat());
    if let Some(counter) = counter {
        words(&mut bytes, [PROTECTED_TLV_INFO, protected as u16]);
        words(&mut bytes, [TLV_COUNTER, 4]);
        bytes.extend(counter.to_le_bytes());
    }
    let hash = Sha256::of(&bytes);
    words(&mut bytes, [TLV_INFO, 2 * TLV_HEAD as u16 + 32]);
    words(&mut bytes, [TLV_SHA256, 32]);
    bytes.extend(hash.0);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Images of the signing tool, from the golden vectors of the reference.
    const BODY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";

    #[test]
    fn an_image_is_as_the_signing_tool_makes_it() {
        let payload = hex::decode(BODY).unwrap();
        let version = "1.2.3+45".parse().unwrap();
        let plain = format!(
            "3db8f39600000000200000004000000000000000010203002d00000000000000{BODY}07692800100020002024b9316d47889308ea5f3f3f4bbec9c67aadaef915167650b973c2ba5203b2"
        );
        assert_eq!(hex::encode(image(version, &payload, None)), plain);
        let counted = format!(
            "3db8f3960000000020000c004000000000000000010203002d00000000000000{BODY}08690c0050000400070000000769280010002000b36c47c33f85143f0b36279fd925d1f6a84ba50ae621fb79c941d148d9fc342a"
        );
        let counted = hex::decode(counted).unwrap();
        assert_eq!(image(version, &payload, Some(7)), counted);
        let read = Image::read(&counted).unwrap();
        assert_eq!((read.head.version, read.counter, read.len), (version, Some(7), counted.len()));
        assert!(read.is_intact(&counted));
    }

    #[test]
    fn a_flipped_bit_is_noticed_where_the_hash_covers_it() {
        let mut bytes = image(ImageVersion::default(), &[7; 100], Some(1));
        bytes[60] ^= 4;
        let read = Image::read(&bytes).unwrap();
        assert!(!read.is_intact(&bytes));
        assert_eq!(Image::read(&bytes[..bytes.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(mut bytes: Vec<u8>, header in 0..200_usize) {
            let _ = Image::read(&bytes);
            let made = image(ImageVersion::default(), &[0; 9], Some(2));
            let keep = header.min(made.len());
            bytes.splice(..0, made[..keep].iter().copied());
            if let Some(read) = Image::read(&bytes) {
                let _ = read.is_intact(&bytes);
            }
        }
    }
}
