//! Why a file must not go to a watch, and why something was not looked at.

use thiserror::Error;

use super::{Because, FileKind, ManifestError, TrustLevel};
use crate::clock;
use crate::measurement::UtcMicros;
use crate::wire::Sha256;
use crate::wire::mcuboot::{ImageError, ImageVersion, SignatureError};
use crate::wire::minisign::MinisignError;

/// What a check found. Each says the thing and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// It is no image at all.
    #[error(transparent)]
    File(#[from] FileKind),
    /// It is an image, but not a sound one.
    #[error("{0}; {way_out}", way_out = way_out_of(.0))]
    Image(#[from] ImageError),
    /// The watch would never start it.
    #[error("it is marked as not bootable; the watch would not start it")]
    NotBootable,
    /// The watch would keep it even if it does not work.
    #[error(
        "it is padded and confirmed in advance, so the watch would keep it even if it fails; sign it without --confirm and --pad"
    )]
    ConfirmedInAdvance,
    /// It does not fit.
    #[error("it has {size} bytes, and the watch's slot takes {room}")]
    TooLarge {
        /// Bytes of the image.
        size: u64,
        /// Bytes of the slot without its trailer.
        room: u64,
    },
    /// Not the file that was announced.
    #[error("it has {actual} bytes, but {stated} were announced; fetch it again")]
    Size {
        /// Announced.
        stated: u64,
        /// Found.
        actual: u64,
    },
    /// Not the file that was announced.
    #[error("its SHA-256 is {actual}, but {stated} was announced; fetch it again")]
    Checksum {
        /// Announced.
        stated: Sha256,
        /// Found.
        actual: Sha256,
    },
    /// Not the image that was announced.
    #[error(
        "the image's hash is {actual}, but {stated} was announced; this is another file than the one that was released"
    )]
    ImageHash {
        /// Announced.
        stated: Sha256,
        /// Found.
        actual: Sha256,
    },
    /// Not the version that was announced.
    #[error(
        "it is version {actual}, but {stated} was announced; this is another file than the one that was released"
    )]
    Version {
        /// Announced.
        stated: String,
        /// Found.
        actual: ImageVersion,
    },
    /// The manifest and the image do not agree.
    #[error("its security counter is {actual}, but the manifest says {stated}")]
    CounterStated {
        /// By the manifest.
        stated: u32,
        /// By the image.
        actual: u32,
    },
    /// The detached signature does not count.
    #[error("the signature: {0}")]
    Signature(#[from] MinisignError),
    /// It was signed as something else.
    #[error(
        "it was signed as {signed}, but it is {actual}; rename it back, or fetch the signature that belongs to it"
    )]
    Comment {
        /// What the signer wrote.
        signed: String,
        /// What it is.
        actual: String,
    },
    /// The image's own signature does not count.
    #[error("{0}; the watch's bootloader would refuse it if it holds the pinned key")]
    ImageSignature(#[from] SignatureError),
    /// The manifest is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It is for something else.
    #[error("it is made for {stated}, and this watch is {actual}; get the firmware for {actual}")]
    WrongModel {
        /// By the manifest.
        stated: String,
        /// What the watch is.
        actual: String,
    },
    /// An old manifest.
    #[error(
        "the manifest has sequence {sequence}, but one with {seen} was seen already: somebody shows an old one; fetch it again"
    )]
    OldManifest {
        /// Of this one.
        sequence: u64,
        /// The highest so far.
        seen: u64,
    },
    /// Its time is over.
    #[error("the manifest expired at {expires}; fetch the current one")]
    Expired {
        /// When.
        expires: UtcMicros,
    },
    /// The watch runs it.
    #[error("the watch runs {0} already")]
    SameVersion(ImageVersion),
    /// It is older.
    #[error(
        "it is version {version}, and the watch runs {installed}, which is newer; --allow-downgrade installs it all the same"
    )]
    Downgrade {
        /// Of the file.
        version: ImageVersion,
        /// Of the watch.
        installed: ImageVersion,
    },
    /// It has a known hole, or so its publisher says.
    #[error(
        "its security counter is {counter}, and the watch had {stored} already; nothing allows that, since older firmware is known to be unsafe"
    )]
    Counter {
        /// Of the file; 0 if it has none.
        counter: u32,
        /// The highest so far.
        stored: u32,
    },
    /// A step between is missing.
    #[error(
        "it can only be installed over {least} or later, and the watch runs {installed}; install {least} first"
    )]
    TooOldToUpdate {
        /// At least this.
        least: ImageVersion,
        /// What runs.
        installed: ImageVersion,
    },
    /// Not yet.
    #[error(
        "it is released to {0} % of the watches so far, and this one is not among them; wait, or ask for it by hand"
    )]
    NotYet(u8),
    /// Too little stands behind it.
    #[error("only level {reached} is reached, and {needed} is needed: {}", reason(*because))]
    Level {
        /// What stands behind it.
        reached: TrustLevel,
        /// What should.
        needed: TrustLevel,
        /// Why.
        because: Because,
    },
}

impl Problem {
    /// Whether the file is sound, and only its origin, its age or the watch speak against it.
    pub const fn is_about_trust(&self) -> bool {
        matches!(
            self,
            Self::Signature(_)
                | Self::Comment { .. }
                | Self::ImageSignature(_)
                | Self::OldManifest { .. }
                | Self::Expired { .. }
                | Self::SameVersion(_)
                | Self::Downgrade { .. }
                | Self::Counter { .. }
                | Self::TooOldToUpdate { .. }
                | Self::NotYet(_)
                | Self::Level { .. }
        )
    }
}

/// Why something was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Skipped {
    /// There is no sound image to look at.
    #[error("there is no sound image to look at")]
    NoImage,
    /// Nobody's signature would count.
    #[error("no key is pinned; set [firmware] signing_keys")]
    NoSigningKey,
    /// Nobody's signature would count.
    #[error("no key is pinned; set [firmware] image_keys")]
    NoImageKey,
    /// There is none.
    #[error("there is no signature (FILE.minisig)")]
    NoSignature,
    /// There is none.
    #[error("there is no manifest")]
    NoManifest,
    /// It could say anything.
    #[error("the manifest's signature does not count, so nothing in it does")]
    NotSigned,
    /// Nothing to compare with.
    #[error("nothing was announced that it could be compared with")]
    NothingStated,
    /// The watch is not known.
    #[error("the watch's product is not known; say --product")]
    UnknownProduct,
    /// The watch is not known.
    #[error("the watch's hardware revision is not known; say --hw")]
    UnknownHardware,
    /// The watch is not known.
    #[error("the version that the watch runs is not known; say --installed")]
    UnknownInstalled,
    /// The watch is not known.
    #[error("the size of the watch's slot is not known before it is connected")]
    UnknownSlot,
    /// The watch is not known.
    #[error("it is not known which watch it is for")]
    UnknownWatch,
    /// What was before is not known.
    #[error("what this watch was given before is not known here; it is looked at before an update")]
    NoMemory,
    /// Time is not to be had.
    #[error("{0}")]
    Clock(clock::Trust),
}

fn way_out_of(error: &ImageError) -> &'static str {
    match error {
        ImageError::NotAnImage => "a watch takes the signed image, such as zephyr.signed.bin",
        ImageError::Truncated { .. } | ImageError::HashMismatch { .. } | ImageError::TrailingBytes(_) => {
            "fetch it again"
        }
        ImageError::NoHash | ImageError::OtherHash(_) => "sign it with imgtool and its default, SHA-256",
        ImageError::Encrypted => "get it unencrypted",
        ImageError::HeaderSize(_)
        | ImageError::TlvMagic(_)
        | ImageError::ProtectedSize { .. }
        | ImageError::TlvOverrun
        | ImageError::TlvLength { .. }
        | ImageError::SeveralHashes => "fetch it again, or sign it anew",
    }
}

const fn reason(because: Because) -> &'static str {
    match because {
        Because::Configured => "[firmware] require says so",
        Because::KeysPinned => "keys are pinned, so a signature is asked for; get FILE.minisig",
        Because::Offered => "what came with it could show as much; see what failed or was not done",
        Because::Remembered => "this watch was given as much before, and less is never taken silently",
        Because::NothingToAsk => "nothing less is any use",
    }
}
