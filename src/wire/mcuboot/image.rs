//! A whole image, its lengths and its hash checked.

use sha2::Digest;

use super::error::{ImageError, SignatureError};
use super::tlv::{self, PLAIN_MAGIC, PROTECTED_MAGIC};
use super::{HEADER_SIZE, Header, ImageKey, ImageVersion, Tlv, TlvKind, Trailer};
use crate::wire::Sha256;

/// What a sound image says of itself. The payload stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The header.
    pub header: Header,
    /// Entries that the hash covers.
    pub protected: Vec<Tlv>,
    /// Entries that it does not.
    pub plain: Vec<Tlv>,
    /// What it hashes to: what the watch calls it.
    pub hash: Sha256,
    /// Bytes from the header to the end of the last table, without padding.
    pub length: u64,
    /// Whether padding follows, up to the end of a slot, and what the trailer there says.
    pub trailer: Option<Trailer>,
}

/// Another image that has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its number.
    pub image: u8,
    /// The lowest version that will do.
    pub least: ImageVersion,
}

impl Image {
    /// Reads a file: lengths exact, one hash, and the right one.
    pub fn parse(file: &[u8]) -> Result<Self, ImageError> {
        let header = Header::parse(file)?;
        if usize::from(header.header_size) < HEADER_SIZE {
            return Err(ImageError::HeaderSize(header.header_size));
        }
        let payload_end = u64::from(header.header_size) + u64::from(header.image_size);
        let (protected, hashed) = protected(file, &header, payload_end)?;
        let area = tlv::area(file, hashed)?;
        if area.magic != PLAIN_MAGIC {
            return Err(ImageError::TlvMagic(area.magic));
        }
        let length = hashed + u64::from(area.total);
        let trailer = trailer(file, length)?;
        let is_encrypted = |entries: &[Tlv]| entries.iter().any(|entry| entry.kind.is_encryption());
        if header.flags.is_encrypted() || is_encrypted(&protected) || is_encrypted(&area.entries) {
            return Err(ImageError::Encrypted);
        }
        let stated = stated_hash(&protected, &area.entries)?;
        let actual = Sha256(sha2::Sha256::digest(tlv::slice(file, 0, hashed)?).into());
        if stated != actual {
            return Err(ImageError::HashMismatch { stated, actual });
        }
        Ok(Self { header, protected, plain: area.entries, hash: actual, length, trailer })
    }

    /// Which firmware it is.
    pub const fn version(&self) -> ImageVersion {
        self.header.version
    }

    /// The image alone, without the padding behind it: what goes to a watch. `file` is what it was read from.
    pub fn without_padding<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        &file[..file.len().min(self.length as usize)]
    }

    /// The counter that never goes down, if it has one. Only the protected one counts: anybody could change another.
    pub fn security_counter(&self) -> Option<u32> {
        let entry = self.protected.iter().find(|entry| entry.kind == TlvKind::SECURITY_COUNTER)?;
        entry.value.as_slice().try_into().ok().map(u32::from_le_bytes)
    }

    /// Other images that it needs.
    pub fn dependencies(&self) -> impl Iterator<Item = Dependency> {
        let entries = self.protected.iter().filter(|entry| entry.kind == TlvKind::DEPENDENCY);
        entries.filter_map(|entry| {
            let bytes: &[u8; 12] = entry.value.as_slice().try_into().ok()?;
            let [image, _, _, _, major, minor, r0, r1, b0, b1, b2, b3] = *bytes;
            let revision = u16::from_le_bytes([r0, r1]);
            let build = u32::from_le_bytes([b0, b1, b2, b3]);
            Some(Dependency { image, least: ImageVersion { major, minor, revision, build } })
        })
    }

    /// Kinds of the signatures that it carries.
    pub fn signatures(&self) -> impl Iterator<Item = TlvKind> {
        self.plain.iter().map(|entry| entry.kind).filter(|kind| kind.is_signature())
    }

    /// Whether `key` signed it. A key hash says whose the signature behind it is; where there is none, the key is simply tried.
    pub fn verify(&self, key: &ImageKey) -> Result<(), SignatureError> {
        if self.plain.iter().chain(&self.protected).any(|entry| entry.kind == TlvKind::PURE) {
            return Err(SignatureError::Pure);
        }
        let mut result = SignatureError::Unsigned;
        let mut owner = None;
        for entry in &self.plain {
            let found = match entry.kind {
                TlvKind::KEY_HASH => {
                    owner = Sha256::try_from(entry.value.as_slice()).ok();
                    continue;
                }
                TlvKind::ED25519 => match owner.take() {
                    Some(other) if other != key.hash() => SignatureError::OtherKey(other),
                    _ if key.signed(&self.hash.0, &entry.value) => return Ok(()),
                    _ => SignatureError::Wrong,
                },
                other if other.is_signature() => SignatureError::OtherKind(other),
                _ => continue,
            };
            // One in this key's name that is not by it tells most.
            if result == SignatureError::Unsigned || found == SignatureError::Wrong {
                result = found;
            }
        }
        Err(result)
    }
}

/// The protected entries, and where what is hashed ends.
fn protected(file: &[u8], header: &Header, at: u64) -> Result<(Vec<Tlv>, u64), ImageError> {
    let (magic, total) = tlv::info(file, at)?;
    let area = if magic == PROTECTED_MAGIC { total } else { 0 };
    if magic != PROTECTED_MAGIC && magic != PLAIN_MAGIC {
        return Err(ImageError::TlvMagic(magic));
    }
    if (magic == PROTECTED_MAGIC && total == 0) || area != header.protected_size {
        return Err(ImageError::ProtectedSize { header: header.protected_size, area });
    }
    let entries = if area == 0 { Vec::new() } else { tlv::area(file, at)?.entries };
    Ok((entries, at + u64::from(area)))
}

fn trailer(file: &[u8], length: u64) -> Result<Option<Trailer>, ImageError> {
    let behind = tlv::slice(file, length, (file.len() as u64).saturating_sub(length))?;
    match behind.len() {
        0 => Ok(None),
        extra => Trailer::of_padding(behind).map(Some).ok_or(ImageError::TrailingBytes(extra as u64)),
    }
}

fn stated_hash(protected: &[Tlv], plain: &[Tlv]) -> Result<Sha256, ImageError> {
    // No hash can cover itself.
    let mut hashes = plain.iter().filter(|entry| entry.kind.is_hash());
    let first = hashes.next().ok_or(ImageError::NoHash)?;
    if hashes.next().is_some() || protected.iter().any(|entry| entry.kind.is_hash()) {
        return Err(ImageError::SeveralHashes);
    }
    Sha256::try_from(first.value.as_slice()).map_err(|_| ImageError::OtherHash(first.kind))
}
