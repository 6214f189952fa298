//! The flags in an image's header.

use std::fmt;

/// Bits of `ih_flags`. Those that are not known here are kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// Position-independent code; no bootloader supports it.
    pub const PIC: Self = Self(0x1);
    /// Encrypted with AES-128.
    pub const ENCRYPTED_AES128: Self = Self(0x4);
    /// Encrypted with AES-256.
    pub const ENCRYPTED_AES256: Self = Self(0x8);
    /// Not to be booted: the second half of a split image.
    pub const NON_BOOTABLE: Self = Self(0x10);
    /// To be copied to RAM before it runs.
    pub const RAM_LOAD: Self = Self(0x20);
    /// Made for one address.
    pub const ROM_FIXED: Self = Self(0x100);
    /// Compressed with LZMA1.
    pub const COMPRESSED_LZMA1: Self = Self(0x200);
    /// Compressed with LZMA2.
    pub const COMPRESSED_LZMA2: Self = Self(0x400);
    /// Filtered for ARM thumb code before it was compressed.
    pub const COMPRESSED_ARM_THUMB: Self = Self(0x800);

    const NAMES: [(Self, &str); 9] = [
        (Self::PIC, "position-independent"),
        (Self::ENCRYPTED_AES128, "encrypted (AES-128)"),
        (Self::ENCRYPTED_AES256, "encrypted (AES-256)"),
        (Self::NON_BOOTABLE, "not bootable"),
        (Self::RAM_LOAD, "runs from RAM"),
        (Self::ROM_FIXED, "for one address"),
        (Self::COMPRESSED_LZMA1, "compressed (LZMA1)"),
        (Self::COMPRESSED_LZMA2, "compressed (LZMA2)"),
        (Self::COMPRESSED_ARM_THUMB, "ARM thumb filter"),
    ];

    /// Whether any bit of `other` is set here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether only the watch can read the payload.
    pub const fn is_encrypted(self) -> bool {
        self.has(Self::ENCRYPTED_AES128) || self.has(Self::ENCRYPTED_AES256)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut names = Vec::new();
        for (flag, name) in Self::NAMES.iter().filter(|(flag, _)| self.has(*flag)) {
            names.push((*name).to_owned());
            rest &= !flag.0;
        }
        if rest != 0 {
            names.push(format!("{rest:#x}"));
        }
        if names.is_empty() { f.write_str("none") } else { f.write_str(&names.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_has_a_name_or_a_number() {
        assert_eq!(Flags::default().to_string(), "none");
        assert_eq!(Flags(0x8000_0028).to_string(), "encrypted (AES-256), runs from RAM, 0x80000000");
        assert!(Flags(0x8).is_encrypted() && !Flags(0x10).is_encrypted());
    }
}
