//! Detached signatures as minisign writes them: a public key of one line, a signature file of four.

use std::fmt;
use std::str::FromStr;

use minisign_verify::{Error, PublicKey};
use thiserror::Error;

use super::base64;

/// A signature file is some hundred bytes; what is larger is another file.
pub const LARGEST_SIGNATURE: usize = 4_096;

/// A public key, as minisign writes it: the line that begins with `RW`, or the whole file.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    id: KeyId,
    key: PublicKey,
}

/// What a key is called, as minisign shows it: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(u64);

/// A signature that was read, and not yet compared with anything.
#[derive(Clone)]
pub struct Signature {
    id: KeyId,
    signature: minisign_verify::Signature,
}

/// What the signer says of what was signed. Only had once the signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment<'a> {
    /// Who signed.
    pub key: KeyId,
    /// The whole line.
    pub text: &'a str,
}

/// What was given is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SigningKeyError {
    /// It says itself that it is the secret one.
    #[error(
        "this is the secret key; give the public one, the line of minisign.pub that begins with RW, and tell nobody this one"
    )]
    Secret,
    /// It is something else.
    #[error("this is no minisign key; give the line of minisign.pub that begins with RW")]
    NotAKey,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MinisignError {
    /// It is another file.
    #[error(
        "this is no signature of minisign: one has four lines, and the third begins with “trusted comment:”"
    )]
    NotASignature,
    /// It is made the old way, which signs what the signer did not hash.
    #[error("it is made the old way, which is not taken here; sign with minisign 0.10 or later, or with -H")]
    Legacy,
    /// By nobody we know.
    #[error("it is signed with the key {0}, which is not pinned")]
    OtherKey(KeyId),
    /// In the name of a key that we know, but not by it, or of other bytes.
    #[error("it is not right: the file was changed since, or it was signed by somebody else")]
    Wrong,
}

impl SigningKey {
    /// What it is called.
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

impl FromStr for SigningKey {
    type Err = SigningKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let last = text.trim().lines().next_back().unwrap_or_default().trim();
        if text.contains("secret key") || last.len() > 100 {
            return Err(SigningKeyError::Secret);
        }
        let bytes = base64::decode(last).ok_or(SigningKeyError::NotAKey)?;
        let key = PublicKey::from_base64(last).map_err(|_| SigningKeyError::NotAKey)?;
        Ok(Self { id: KeyId::of(&bytes).ok_or(SigningKeyError::NotAKey)?, key })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl KeyId {
    /// Of a key or a signature: eight bytes behind two of algorithm.
    fn of(bytes: &[u8]) -> Option<Self> {
        bytes.get(2..)?.first_chunk().map(|id| Self(u64::from_le_bytes(*id)))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Signature {
    /// Reads the content of a `.minisig` file.
    pub fn decode(bytes: &[u8]) -> Result<Self, MinisignError> {
        let text = Some(bytes).filter(|bytes| bytes.len() <= LARGEST_SIGNATURE);
        let text =
            text.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(MinisignError::NotASignature)?;
        let signature = minisign_verify::Signature::decode(text).map_err(|_| MinisignError::NotASignature)?;
        let line = text.lines().nth(1).and_then(base64::decode);
        let id = line.and_then(|line| KeyId::of(&line)).ok_or(MinisignError::NotASignature)?;
        Ok(Self { id, signature })
    }

    /// Whether one of `keys` signed `message`; then also what the signer says of it.
    pub fn verify(&self, keys: &[SigningKey], message: &[u8]) -> Result<Comment<'_>, MinisignError> {
        let mut result = MinisignError::OtherKey(self.id);
        for key in keys {
            match key.key.verify(message, &self.signature, false) {
                Ok(()) => return Ok(Comment { key: self.id, text: self.signature.trusted_comment() }),
                Err(Error::UnexpectedKeyId) => {}
                Err(Error::UnexpectedAlgorithm) => result = MinisignError::Legacy,
                Err(_) => result = MinisignError::Wrong,
            }
        }
        Err(result)
    }
}

impl<'a> Comment<'a> {
    /// The file's name, if it says one: minisign writes time, name and algorithm by itself, between tabs.
    pub fn file(&self) -> Option<&'a str> {
        self.field("file:")
    }

    /// The version, if the signer wrote one (`minisign -S -t $'file:app.bin\tversion:1.4.0'`).
    pub fn version(&self) -> Option<&'a str> {
        self.field("version:")
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        // Names may have spaces, but no tabs.
        self.text.split('\t').find_map(|field| field.trim().strip_prefix(name)).map(str::trim)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    fn sign(pair: &minisign::KeyPair, message: &[u8]) -> Signature {
        let comment = Some("file:a b.bin\tversion:1.4.0");
        let made = minisign::sign(Some(&pair.pk), &pair.sk, message, comment, None).unwrap();
        Signature::decode(made.to_string().as_bytes()).unwrap()
    }

    fn key(pair: &minisign::KeyPair) -> SigningKey {
        pair.pk.to_base64().parse().unwrap()
    }

    #[test]
    fn a_key_is_read_as_a_line_or_as_a_file() {
        let key: SigningKey = KEY.parse().unwrap();
        assert_eq!(key.id().to_string(), "E7620F1842B4E81F");
        assert_eq!(format!("untrusted comment: mine\n{KEY}\n").parse(), Ok(key));
        assert_eq!("RWQf6LRC".parse::<SigningKey>(), Err(SigningKeyError::NotAKey));
        assert_eq!("".parse::<SigningKey>(), Err(SigningKeyError::NotAKey));
        let secret = "untrusted comment: minisign encrypted secret key\nRWRTY0Iy";
        assert_eq!(secret.parse::<SigningKey>(), Err(SigningKeyError::Secret));
    }

    #[test]
    fn either_of_two_keys_will_do_and_no_third() {
        let pairs = [(); 3].map(|()| minisign::KeyPair::generate_unencrypted_keypair().unwrap());
        let [first, second, third] = &pairs;
        let pinned = [key(first), key(second)];
        for pair in [first, second] {
            let signature = sign(pair, b"firmware");
            let comment = signature.verify(&pinned, b"firmware").unwrap();
            assert_eq!((comment.file(), comment.version()), (Some("a b.bin"), Some("1.4.0")));
            assert_eq!(signature.verify(&pinned, b"firmwarf"), Err(MinisignError::Wrong));
        }
        let stranger = sign(third, b"firmware");
        assert_eq!(stranger.verify(&pinned, b"firmware"), Err(MinisignError::OtherKey(key(third).id())));
    }

    #[test]
    fn the_old_way_is_refused() {
        // The published example of the old way (minisign-verify's own test), over the bytes "test".
        let old = "untrusted comment: signature from minisign secret key\n\
            RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n\
            trusted comment: timestamp:1555779966\tfile:test\n\
            QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==";
        let signature = Signature::decode(old.as_bytes()).unwrap();
        assert_eq!(signature.verify(&[KEY.parse().unwrap()], b"test"), Err(MinisignError::Legacy));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_signature_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
            let _ = Signature::decode(&bytes);
            let _ = Signature::decode(text.as_bytes());
            let _ = text.parse::<SigningKey>();
        }
    }
}
