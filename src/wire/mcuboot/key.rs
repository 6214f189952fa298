//! The key that a bootloader holds, and that images are signed with.

use std::fmt;
use std::str::FromStr;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use thiserror::Error;

use crate::wire::{Sha256, base64};

/// What a public key in the form of X.509 begins with if it is one for Ed25519 (RFC 8410); 32 bytes follow.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 public key. Read as `imgtool getpub --encoding pem` writes it, with or without the lines of dashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageKey(pub [u8; 32]);

/// What was given is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImageKeyError {
    /// It says itself that it is the secret one.
    #[error(
        "this is the secret key; give the public one, as `imgtool getpub --encoding pem` writes it, and tell nobody this one"
    )]
    Secret,
    /// It is something else.
    #[error(
        "this is no Ed25519 public key; write it as in a PEM file, \"MCowBQYDK2VwAyEA…\" (`imgtool getpub --encoding pem` shows it)"
    )]
    NotAKey,
}

impl ImageKey {
    /// The public half of a pair.
    pub fn of(pair: &Ed25519KeyPair) -> Self {
        let bytes = pair.public_key().as_ref().try_into();
        Self(bytes.expect("an Ed25519 public key has 32 bytes"))
    }

    /// What a key is called in an image: the SHA-256 of its X.509 form.
    pub fn hash(&self) -> Sha256 {
        Sha256::of(&[SPKI_PREFIX.as_slice(), &self.0].concat())
    }

    /// Whether `signature` over `message` is by this key.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageKey({})", hex::encode(self.0))
    }
}

impl FromStr for ImageKey {
    type Err = ImageKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("PRIVATE KEY") {
            return Err(ImageKeyError::Secret);
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
        let der = base64::decode(&lines.collect::<String>()).ok_or(ImageKeyError::NotAKey)?;
        let key = der.strip_prefix(&SPKI_PREFIX).ok_or(ImageKeyError::NotAKey)?;
        key.try_into().map(Self).map_err(|_| ImageKeyError::NotAKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_the_signing_tool_writes_it() {
        let line = "MCowBQYDK2VwAyEAyj5PO/WblBUYpFrT+XOd4lOv8F2WMaGumZOgod8PYg4=";
        let key: ImageKey = line.parse().unwrap();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n");
        assert_eq!(pem.parse(), Ok(key));
        assert_eq!(
            key.hash().to_string(),
            "b021ba9a24b5c230dd9fc23cafedb57c401c2d7b5c2aa7c71ce9ffe29f790db5"
        );
        for text in ["", "MCow", &line[4..], "b021ba9a24b5c230dd9fc23cafedb57c"] {
            assert_eq!(text.parse::<ImageKey>(), Err(ImageKeyError::NotAKey), "{text}");
        }
        let secret = pem.replace("PUBLIC", "PRIVATE");
        assert_eq!(secret.parse::<ImageKey>(), Err(ImageKeyError::Secret));
    }
}
