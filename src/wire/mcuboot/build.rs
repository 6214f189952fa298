//! Puts an image together, as `imgtool sign` does: for tests, and for the simulated watch.

use ring::signature::Ed25519KeyPair;
use sha2::Digest;
use thiserror::Error;

use super::tlv::{self, PLAIN_MAGIC, PROTECTED_MAGIC};
use super::{Flags, HEADER_SIZE, Header, ImageKey, ImageVersion, Tlv, TlvKind, Trailer};

/// An image in the making.
#[derive(Clone, Debug)]
pub struct ImageBuilder<'a> {
    header: Header,
    payload: Vec<u8>,
    protected: Vec<Tlv>,
    plain: Vec<Tlv>,
    key: Option<&'a Ed25519KeyPair>,
    slot: Option<(usize, Trailer)>,
}

/// It cannot be said in an image's header, or does not fit the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// Less than 32.
    #[error("a header has at least 32 bytes, not {0}")]
    HeaderSize(u16),
    /// More than a number of 32 bits can say.
    #[error("the payload is too long for an image")]
    Payload,
    /// More than a number of 16 bits can say.
    #[error("the entries behind the payload are too long")]
    Entries,
    /// It and a trailer are larger than the slot.
    #[error("{needed} bytes and a trailer do not fit a slot of {slot}")]
    Slot {
        /// Bytes of the image.
        needed: usize,
        /// Bytes of the slot.
        slot: usize,
    },
}

impl<'a> ImageBuilder<'a> {
    /// The least of an image: a header of 32 bytes, the payload, and its hash.
    pub fn new(version: ImageVersion, payload: impl Into<Vec<u8>>) -> Self {
        let header = Header {
            load_address: 0,
            header_size: HEADER_SIZE as u16,
            protected_size: 0,
            image_size: 0,
            flags: Flags::default(),
            version,
            reserved: 0,
        };
        let payload = payload.into();
        Self { header, payload, protected: Vec::new(), plain: Vec::new(), key: None, slot: None }
    }

    /// How far from the beginning the payload is: 0x200 for most Cortex-M.
    #[must_use]
    pub const fn header_size(mut self, bytes: u16) -> Self {
        self.header.header_size = bytes;
        self
    }

    /// What kind of image it is. It does not become so by that: nothing is encrypted here.
    #[must_use]
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.header.flags = flags;
        self
    }

    /// A counter that never goes down.
    #[must_use]
    pub fn security_counter(self, counter: u32) -> Self {
        self.protected_entry(TlvKind::SECURITY_COUNTER, counter.to_le_bytes())
    }

    /// Anything that the hash is to cover.
    #[must_use]
    pub fn protected_entry(mut self, kind: TlvKind, value: impl Into<Vec<u8>>) -> Self {
        self.protected.push(Tlv { kind, value: value.into() });
        self
    }

    /// Anything behind the hash.
    #[must_use]
    pub fn entry(mut self, kind: TlvKind, value: impl Into<Vec<u8>>) -> Self {
        self.plain.push(Tlv { kind, value: value.into() });
        self
    }

    /// Signs the hash.
    #[must_use]
    pub const fn signed_by(mut self, key: &'a Ed25519KeyPair) -> Self {
        self.key = Some(key);
        self
    }

    /// Goes on to the end of a slot, with a trailer there.
    #[must_use]
    pub const fn padded(mut self, slot: usize, trailer: Trailer) -> Self {
        self.slot = Some((slot, trailer));
        self
    }

    /// The bytes of the file.
    pub fn build(self) -> Result<Vec<u8>, BuildError> {
        let Self { mut header, payload, protected, plain, key, slot } = self;
        if usize::from(header.header_size) < HEADER_SIZE {
            return Err(BuildError::HeaderSize(header.header_size));
        }
        let protected = tlv::encode(PROTECTED_MAGIC, &protected).ok_or(BuildError::Entries)?;
        header.protected_size = protected.len() as u16;
        header.image_size = u32::try_from(payload.len()).map_err(|_| BuildError::Payload)?;
        let mut file = header.encode().to_vec();
        file.resize(usize::from(header.header_size), 0);
        file.extend(payload);
        file.extend(protected);
        let hash: [u8; 32] = sha2::Sha256::digest(&file).into();
        let mut entries = vec![Tlv { kind: TlvKind::SHA256, value: hash.to_vec() }];
        if let Some(key) = key {
            let owner = ImageKey::of(key).hash();
            entries.push(Tlv { kind: TlvKind::KEY_HASH, value: owner.0.to_vec() });
            entries.push(Tlv { kind: TlvKind::ED25519, value: key.sign(&hash).as_ref().to_vec() });
        }
        entries.extend(plain);
        file.extend(tlv::encode(PLAIN_MAGIC, &entries).ok_or(BuildError::Entries)?);
        if let Some((slot, trailer)) = slot {
            let needed = file.len();
            if needed + Trailer::SIZE > slot {
                return Err(BuildError::Slot { needed, slot });
            }
            file.resize(slot, 0xff);
            trailer.write(&mut file).map_err(|_| BuildError::Slot { needed, slot })?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mcuboot::{Image, ImageError, SignatureError};
    use proptest::prelude::*;

    fn version() -> ImageVersion {
        "1.2.3+45".parse().unwrap()
    }

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    #[test]
    fn only_the_key_that_signed_it_will_do() {
        let (ours, other) = (pair(1), pair(2));
        let signed = ImageBuilder::new(version(), *b"code").signed_by(&ours);
        let image = Image::parse(&signed.clone().build().unwrap()).unwrap();
        assert_eq!(image.verify(&ImageKey::of(&ours)), Ok(()));
        let stranger = SignatureError::OtherKey(ImageKey::of(&ours).hash());
        assert_eq!(image.verify(&ImageKey::of(&other)), Err(stranger));
        let unsigned = ImageBuilder::new(version(), *b"code");
        let image = Image::parse(&unsigned.clone().build().unwrap()).unwrap();
        assert_eq!(image.verify(&ImageKey::of(&ours)), Err(SignatureError::Unsigned));
        // Another's signature under our name.
        let hash = image.hash.0;
        let forged = unsigned
            .entry(TlvKind::KEY_HASH, ImageKey::of(&ours).hash().0)
            .entry(TlvKind::ED25519, other.sign(&hash).as_ref());
        let image = Image::parse(&forged.build().unwrap()).unwrap();
        assert_eq!(image.verify(&ImageKey::of(&ours)), Err(SignatureError::Wrong));
    }

    #[test]
    fn what_an_image_must_not_be_has_a_name() {
        let parse = |builder: ImageBuilder| Image::parse(&builder.build().unwrap()).map(|_| ());
        let plain = || ImageBuilder::new(version(), *b"code");
        assert_eq!(parse(plain().flags(Flags::ENCRYPTED_AES128)), Err(ImageError::Encrypted));
        assert_eq!(parse(plain().entry(TlvKind(0x33), [0; 80])), Err(ImageError::Encrypted));
        assert_eq!(parse(plain().entry(TlvKind::SHA256, [0; 32])), Err(ImageError::SeveralHashes));
        let length = ImageError::TlvLength { kind: TlvKind::SECURITY_COUNTER, length: 3 };
        assert_eq!(parse(plain().protected_entry(TlvKind::SECURITY_COUNTER, [0; 3])), Err(length));
        let mut other_hash = plain().build().unwrap();
        other_hash[40] = 0x50;
        assert_eq!(Image::parse(&other_hash), Err(ImageError::TlvLength { kind: TlvKind(0x50), length: 32 }));
        other_hash[40] = 0x02;
        assert_eq!(Image::parse(&other_hash), Err(ImageError::NoHash));
        assert_eq!(
            Image::parse(b"\x3d\xb8\xf3\x96 or so"),
            Err(ImageError::Truncated { needed: 32, actual: 10 })
        );
        assert_eq!(Image::parse(b"PK"), Err(ImageError::NotAnImage));
        let mut huge = plain().build().unwrap();
        huge[12..16].fill(0xff);
        assert!(matches!(Image::parse(&huge), Err(ImageError::Truncated { needed: 4_294_967_331, .. })));
    }

    #[test]
    fn padding_counts_only_with_a_trailer() {
        let plain = ImageBuilder::new(version(), *b"code");
        let bare = plain.clone().build().unwrap();
        let padded = plain.clone().padded(4_096, Trailer::PERMANENT).build().unwrap();
        let image = Image::parse(&padded).unwrap();
        assert_eq!(image.trailer, Some(Trailer::PERMANENT));
        assert_eq!(image.without_padding(&padded), bare);
        assert_eq!(Image::parse(&padded[..4_095]), Err(ImageError::TrailingBytes(4_095 - bare.len() as u64)));
        let slot = BuildError::Slot { needed: bare.len(), slot: 100 };
        assert_eq!(plain.padded(100, Trailer::PENDING).build(), Err(slot));
    }

    fn images() -> impl Strategy<Value = Vec<u8>> {
        let payload = prop::collection::vec(any::<u8>(), 0..200);
        let entry = (any::<bool>(), 0xa0_u16..0x2000, prop::collection::vec(any::<u8>(), 0..40));
        let entries = prop::collection::vec(entry, 0..4);
        let slot = prop::option::of(Just((1_024, Trailer::PENDING)));
        (any::<(u8, u8, u16, u32)>(), payload, 32_u16..128, prop::option::of(any::<u32>()), entries, slot)
            .prop_map(|((major, minor, revision, build), payload, header, counter, entries, slot)| {
                let version = ImageVersion { major, minor, revision, build };
                let mut image = ImageBuilder::new(version, payload).header_size(header);
                image = counter.into_iter().fold(image, ImageBuilder::security_counter);
                for (protected, kind, value) in entries {
                    let kind = TlvKind(kind);
                    image =
                        if protected { image.protected_entry(kind, value) } else { image.entry(kind, value) };
                }
                image.slot = slot;
                image.build().unwrap()
            })
    }

    proptest! {
        #[test]
        fn whatever_is_built_is_read(file in images()) {
            let image = Image::parse(&file).unwrap();
            let again = ImageBuilder {
                header: image.header,
                payload: file[usize::from(image.header.header_size)..][..image.header.image_size as usize].to_vec(),
                protected: image.protected.clone(),
                plain: image.plain[1..].to_vec(),
                key: None,
                slot: image.trailer.map(|trailer| (file.len(), trailer)),
            };
            prop_assert_eq!(again.build().unwrap(), file);
        }

        #[test]
        fn one_flipped_bit_before_the_hash_is_found_and_a_cut_is_too(file in images(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let image = Image::parse(&file).unwrap();
            let hashed = usize::from(image.header.header_size) + image.header.image_size as usize
                + usize::from(image.header.protected_size);
            let mut flipped = file.clone();
            flipped[at.index(hashed)] ^= 1_u8 << bit;
            prop_assert!(Image::parse(&flipped).is_err());
            let cut = at.index(image.length as usize);
            prop_assert!(Image::parse(&file[..cut]).is_err());
        }

        #[test]
        fn any_bytes_behind_a_header_end_in_a_value_or_an_error(
            header in any::<[u8; 28]>(), size in 32_u16..64, image_size in 0_u32..64, rest in prop::collection::vec(any::<u8>(), 0..200)
        ) {
            let mut file = super::super::MAGIC.to_le_bytes().to_vec();
            file.extend(header);
            file[8..10].copy_from_slice(&size.to_le_bytes());
            file[12..16].copy_from_slice(&image_size.to_le_bytes());
            file.extend(rest);
            let at = usize::from(size) + image_size as usize;
            if let Some(magic) = file.get_mut(at..at + 2) {
                magic.copy_from_slice(&PLAIN_MAGIC.to_le_bytes());
            }
            let _ = Image::parse(&file);
        }
    }
}
