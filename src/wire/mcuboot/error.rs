//! Why a file is no image, or no sound one.

use thiserror::Error;

use super::TlvKind;
use crate::wire::Sha256;

/// What is wrong with an image. The text names it; what to do about it depends on where the file is from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// It does not begin as one.
    #[error("it does not begin as an MCUboot image does")]
    NotAnImage,
    /// It ends before it should.
    #[error("it is cut off: by what it says of itself it has at least {needed} bytes, but here are {actual}")]
    Truncated {
        /// Bytes that there have to be.
        needed: u64,
        /// Bytes that there are.
        actual: u64,
    },
    /// The header is smaller than a header.
    #[error("its header says that it has {0} bytes, but a header has at least 32")]
    HeaderSize(u16),
    /// Where an area of TLVs should begin is something else.
    #[error(
        "behind its payload is no table of hashes and signatures (found {0:#06x}); it was not signed with imgtool, or is damaged"
    )]
    TlvMagic(u16),
    /// The header and the protected area do not agree.
    #[error("its header says that {header} bytes are protected, but the area itself says {area}")]
    ProtectedSize {
        /// By the header.
        header: u16,
        /// By the area; 0 if there is none.
        area: u16,
    },
    /// An entry of the table goes beyond its end.
    #[error("an entry of its table of hashes and signatures goes beyond the table's end")]
    TlvOverrun,
    /// An entry has a length that its kind cannot have.
    #[error("its {kind} has {length} bytes, which cannot be")]
    TlvLength {
        /// Which.
        kind: TlvKind,
        /// How long it is.
        length: u16,
    },
    /// Something follows that is no trailer.
    #[error("{0} bytes follow its end, and they are not the trailer of a padded image")]
    TrailingBytes(u64),
    /// Nothing says what it should hash to.
    #[error("it carries no SHA-256 of itself")]
    NoHash,
    /// It has a hash, but of another kind.
    #[error("it carries a {0} instead of a SHA-256; images are known by their SHA-256 here")]
    OtherHash(TlvKind),
    /// More than one hash.
    #[error("it carries more than one hash of itself")]
    SeveralHashes,
    /// It is not what it was.
    #[error("it is damaged: its hash is {actual}, but it says {stated}")]
    HashMismatch {
        /// What it says.
        stated: Sha256,
        /// What it is.
        actual: Sha256,
    },
    /// Only the watch can read it.
    #[error("it is encrypted: only the watch could tell whether it is whole, so nothing can be checked here")]
    Encrypted,
}

/// Why an image's own signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// There is none at all.
    #[error("it is not signed")]
    Unsigned,
    /// There is one of a kind that is not checked here.
    #[error("it is signed with {0}, which is not checked here; only Ed25519 is")]
    OtherKind(TlvKind),
    /// There is one, but over other bytes.
    #[error(
        "its signature is over the image itself instead of its hash (imgtool --pure), which is not checked here"
    )]
    Pure,
    /// There is one, by another key.
    #[error("it is signed with another key, whose hash is {0}")]
    OtherKey(Sha256),
    /// By that key's name, but not by that key.
    #[error("its signature is not right")]
    Wrong,
}
