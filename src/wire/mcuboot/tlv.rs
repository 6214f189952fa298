//! The tables behind the payload: type, length, value.

use std::fmt;

use super::error::ImageError;

/// Begins the area that the hash covers.
pub(super) const PROTECTED_MAGIC: u16 = 0x6908;
/// Begins the area that it does not.
pub(super) const PLAIN_MAGIC: u16 = 0x6907;
/// Magic and length of an area; type and length of an entry.
pub(super) const INFO_SIZE: u64 = 4;

/// What an entry is. Any number may come; those with a name here are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TlvKind(pub u16);

impl TlvKind {
    /// SHA-256 of the public key that the signature behind it belongs to.
    pub const KEY_HASH: Self = Self(0x01);
    /// That key itself.
    pub const PUBLIC_KEY: Self = Self(0x02);
    /// SHA-256 of header, payload and protected area.
    pub const SHA256: Self = Self(0x10);
    /// SHA-384 of the same.
    pub const SHA384: Self = Self(0x11);
    /// SHA-512 of the same.
    pub const SHA512: Self = Self(0x12);
    /// RSA-2048 signature.
    pub const RSA2048: Self = Self(0x20);
    /// ECDSA signature over P-224, of old.
    pub const ECDSA224: Self = Self(0x21);
    /// ECDSA signature.
    pub const ECDSA: Self = Self(0x22);
    /// RSA-3072 signature.
    pub const RSA3072: Self = Self(0x23);
    /// Ed25519 signature over the 32 bytes of the hash.
    pub const ED25519: Self = Self(0x24);
    /// The signature is over the bytes themselves, not over their hash.
    pub const PURE: Self = Self(0x25);
    /// Needs another image, at least of a version.
    pub const DEPENDENCY: Self = Self(0x40);
    /// A counter that never goes down.
    pub const SECURITY_COUNTER: Self = Self(0x50);
    /// Measured boot.
    pub const BOOT_RECORD: Self = Self(0x60);
    /// Whom it is from, a UUID.
    pub const VENDOR_ID: Self = Self(0x80);
    /// What it is for, a UUID.
    pub const CLASS_ID: Self = Self(0x81);

    /// Whether it is a hash over the image.
    pub const fn is_hash(self) -> bool {
        matches!(self, Self::SHA256 | Self::SHA384 | Self::SHA512)
    }

    /// Whether it is a signature.
    pub const fn is_signature(self) -> bool {
        matches!(self, Self::RSA2048 | Self::ECDSA224 | Self::ECDSA | Self::RSA3072 | Self::ED25519)
    }

    /// Whether it has to do with a payload that only the watch can read.
    pub const fn is_encryption(self) -> bool {
        matches!(self.0, 0x30..=0x34)
    }

    /// How long its value has to be, if that is fixed.
    const fn length(self) -> Option<u16> {
        match self {
            Self::KEY_HASH | Self::SHA256 => Some(32),
            Self::SHA384 => Some(48),
            Self::SHA512 | Self::ED25519 => Some(64),
            Self::DEPENDENCY => Some(12),
            Self::SECURITY_COUNTER => Some(4),
            Self::VENDOR_ID | Self::CLASS_ID => Some(16),
            _ => None,
        }
    }
}

impl fmt::Display for TlvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::KEY_HASH => "key hash",
            Self::PUBLIC_KEY => "public key",
            Self::SHA256 => "SHA-256",
            Self::SHA384 => "SHA-384",
            Self::SHA512 => "SHA-512",
            Self::RSA2048 => "RSA-2048",
            Self::ECDSA224 => "ECDSA (P-224)",
            Self::ECDSA => "ECDSA",
            Self::RSA3072 => "RSA-3072",
            Self::ED25519 => "Ed25519",
            Self::PURE => "mark of a pure signature",
            Self::DEPENDENCY => "dependency",
            Self::SECURITY_COUNTER => "security counter",
            Self::BOOT_RECORD => "boot record",
            Self::VENDOR_ID => "vendor id",
            Self::CLASS_ID => "class id",
            Self(other) => return write!(f, "entry {other:#04x}"),
        })
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlv {
    /// What it is.
    pub kind: TlvKind,
    /// What it says, at most 65,531 bytes.
    pub value: Vec<u8>,
}

/// An area that was read: its entries and its length.
pub(super) struct Area {
    pub magic: u16,
    pub total: u16,
    pub entries: Vec<Tlv>,
}

/// Magic and length of the area at `at`.
pub(super) fn info(file: &[u8], at: u64) -> Result<(u16, u16), ImageError> {
    let bytes = slice(file, at, INFO_SIZE)?;
    Ok((u16::from_le_bytes([bytes[0], bytes[1]]), u16::from_le_bytes([bytes[2], bytes[3]])))
}

/// Reads the area at `at`.
pub(super) fn area(file: &[u8], at: u64) -> Result<Area, ImageError> {
    let (magic, total) = info(file, at)?;
    if magic != PLAIN_MAGIC && magic != PROTECTED_MAGIC {
        return Err(ImageError::TlvMagic(magic));
    }
    let inside = u64::from(total).checked_sub(INFO_SIZE).ok_or(ImageError::TlvOverrun)?;
    let mut rest = slice(file, at + INFO_SIZE, inside)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest.split_first_chunk::<4>().ok_or(ImageError::TlvOverrun)?;
        let kind = TlvKind(u16::from_le_bytes([head[0], head[1]]));
        let length = u16::from_le_bytes([head[2], head[3]]);
        let (value, behind) = behind.split_at_checked(usize::from(length)).ok_or(ImageError::TlvOverrun)?;
        if kind.length().is_some_and(|right| right != length) {
            return Err(ImageError::TlvLength { kind, length });
        }
        entries.push(Tlv { kind, value: value.to_vec() });
        rest = behind;
    }
    Ok(Area { magic, total, entries })
}

/// `length` bytes from `at`. All sums are of numbers of at most 32 bits, so 64 are enough.
pub(super) fn slice(file: &[u8], at: u64, length: u64) -> Result<&[u8], ImageError> {
    let (needed, actual) = (at + length, file.len() as u64);
    if needed > actual {
        return Err(ImageError::Truncated { needed, actual });
    }
    // What is within the file fits a usize.
    Ok(&file[at as usize..needed as usize])
}

/// Writes an area; nothing if it has no entries.
///
/// `None` if it would be longer than an area can say.
pub(super) fn encode(magic: u16, entries: &[Tlv]) -> Option<Vec<u8>> {
    if entries.is_empty() {
        return Some(Vec::new());
    }
    let total: usize = entries.iter().map(|entry| 4 + entry.value.len()).sum::<usize>() + 4;
    let total = u16::try_from(total).ok()?;
    let mut bytes = Vec::with_capacity(usize::from(total));
    bytes.extend(magic.to_le_bytes());
    bytes.extend(total.to_le_bytes());
    for entry in entries {
        bytes.extend(entry.kind.0.to_le_bytes());
        bytes.extend((entry.value.len() as u16).to_le_bytes());
        bytes.extend(&entry.value);
    }
    Some(bytes)
}
