//! Every check there is, with its verdict: what `nowbridge firmware check` prints, and what an update asks before its first byte.
//!
//! Nothing here has a clock, a disk or a network. What is not known is not guessed: a check that could not be made says so.

mod file;
mod run;
mod signed;
mod watch;

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Manifest, Memory, Needed, Policy, Problem, Skipped, TrustLevel};
use crate::clock;
use crate::measurement::UtcMicros;
use crate::wire::Sha256;
use crate::wire::mcuboot::{Image, ImageVersion};

pub use run::{check, integrity};

/// All that a file is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The file, whole.
    pub file: &'a [u8],
    /// What the file was called when it was signed, if that is known: the last part of its path or of its address.
    pub name: Option<&'a str>,
    /// What was said of it where it is from.
    pub stated: &'a Stated,
    /// Its manifest, as it came.
    pub manifest: Option<&'a [u8]>,
    /// What the manifest was called.
    pub manifest_name: Option<&'a str>,
    /// The content of the `.minisig`: over the manifest if there is one, else over the file.
    pub signature: Option<&'a [u8]>,
    /// The watch.
    pub target: &'a Target,
    /// What a person wants.
    pub asked: Asked,
    /// What is demanded.
    pub policy: &'a Policy,
    /// What is remembered of the watch; `None` where nobody could look, which an update never may.
    pub memory: Option<&'a Memory>,
    /// What time it is.
    pub now: Now,
}

/// What the cloud said of a file; it is as good as the cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// Its version, as written there.
    pub version: Option<String>,
    /// Its bytes.
    pub size: Option<u64>,
    /// Its hash.
    pub sha256: Option<Sha256>,
}

/// The watch that it is for, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Which product it is.
    pub product: Option<String>,
    /// Which revision.
    pub hardware: Option<String>,
    /// What it runs.
    pub installed: Option<ImageVersion>,
    /// Its device id, by which it has its place in a rollout.
    pub device: Option<Vec<u8>>,
    /// Bytes of the slot that the image goes to.
    pub slot: Option<u64>,
}

/// What a person wants, and says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// This very file is asked for: the rollout does not matter, and it may be the same version again.
    pub by_hand: bool,
    /// It may be older.
    pub allow_downgrade: bool,
}

/// What time it is, and how far that is believed.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// By the host's clock.
    pub at: UtcMicros,
    /// How far that is believed.
    pub trust: clock::Trust,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// It is an image: lengths and hash.
    Image,
    /// What follows it.
    Padding,
    /// The watch would start it.
    Bootable,
    /// It fits.
    Slot,
    /// The image's own signature.
    ImageSignature,
    /// It is what was announced.
    Announced,
    /// The detached signature.
    Signature,
    /// What the signer wrote.
    TrustedComment,
    /// The manifest can be read.
    Manifest,
    /// It is about this file.
    ManifestFile,
    /// For this product.
    Product,
    /// For this hardware.
    Hardware,
    /// It is no older than one that was seen.
    Sequence,
    /// It holds still.
    Expiry,
    /// It is this watch's turn.
    Rollout,
    /// Newer than what runs.
    Version,
    /// No less safe than what was.
    SecurityCounter,
    /// What runs is new enough.
    MinimumVersion,
    /// Enough stands behind it.
    Policy,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Passed,
    /// The file must not go to the watch.
    Failed(Problem),
    /// It could not be looked at.
    NotDone(Skipped),
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: CheckName,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, if that is worth a word. May hold text from the file.
    pub detail: String,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every check, in the order in which they were made.
    pub checks: Vec<Check>,
    /// What stands behind the file.
    pub level: TrustLevel,
    /// What has to.
    pub needed: Needed,
    /// The image, if it is sound.
    pub image: Option<Image>,
    /// The manifest, if it can be read and, where keys are pinned, is signed.
    pub manifest: Option<Manifest>,
    /// What is to be remembered from now on; as before if the file is refused.
    pub memory: Memory,
}

impl Report {
    /// Whether the file may go to the watch.
    pub fn satisfied(&self) -> bool {
        self.problems().next().is_none()
    }

    /// Everything that speaks against it.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.checks.iter().filter_map(|check| match &check.verdict {
            Verdict::Failed(problem) => Some(problem),
            _ => None,
        })
    }

    /// The verdict of one check, if it was made.
    pub fn verdict(&self, name: CheckName) -> Option<&Verdict> {
        self.checks.iter().find(|check| check.name == name).map(|check| &check.verdict)
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Padding => "padding",
            Self::Bootable => "bootable",
            Self::Slot => "slot",
            Self::ImageSignature => "image signature",
            Self::Announced => "as announced",
            Self::Signature => "signature",
            Self::TrustedComment => "trusted comment",
            Self::Manifest => "manifest",
            Self::ManifestFile => "manifest's file",
            Self::Product => "product",
            Self::Hardware => "hardware",
            Self::Sequence => "sequence",
            Self::Expiry => "expiry",
            Self::Rollout => "rollout",
            Self::Version => "version",
            Self::SecurityCounter => "security counter",
            Self::MinimumVersion => "minimum version",
            Self::Policy => "policy",
        })
    }
}

#[derive(Serialize)]
struct Row<'a> {
    name: CheckName,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (verdict, reason) = match &self.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(problem) => ("failed", Some(problem.to_string())),
            Verdict::NotDone(skipped) => ("not_done", Some(skipped.to_string())),
        };
        Row { name: self.name, verdict, reason, detail: &self.detail }.serialize(serializer)
    }
}
