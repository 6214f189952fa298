//! How far firmware has to be trusted, and by whose keys.

use super::{Memory, TrustLevel};
use crate::config::{FirmwareTrustConfig, Require};
use crate::wire::mcuboot::ImageKey;
use crate::wire::minisign::SigningKey;

/// What the configuration demands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What has to stand behind a file.
    pub require: Require,
    /// Who may sign files and manifests; two while one replaces the other.
    pub signing_keys: Vec<SigningKey>,
    /// Who may sign images: what the watch's bootloader holds.
    pub image_keys: Vec<ImageKey>,
}

/// The level that is needed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// At least this.
    pub level: TrustLevel,
    /// Who says so.
    pub because: Because,
}

/// Why a level is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// `[firmware] require` says so.
    Configured,
    /// Keys are pinned, so signatures are to be had.
    KeysPinned,
    /// Whoever offered the file said more of it.
    Offered,
    /// The watch was given as much before.
    Remembered,
    /// There is nothing that could be asked for.
    NothingToAsk,
}

impl From<&FirmwareTrustConfig> for Policy {
    fn from(config: &FirmwareTrustConfig) -> Self {
        let FirmwareTrustConfig { require, signing_keys, image_keys } = config.clone();
        Self { require, signing_keys, image_keys }
    }
}

impl Policy {
    /// What a file has to reach. `offered` is what could be had by what came with it: a checksum, a version, a manifest that keys are
    /// pinned for.
    ///
    /// What a watch was given before is never gone below, not even if the configuration asks for less.
    pub fn needed(&self, offered: TrustLevel, memory: &Memory) -> Needed {
        let has_keys = !self.signing_keys.is_empty() || !self.image_keys.is_empty();
        let (level, because) = match self.require {
            Require::Manifest => (TrustLevel::Manifest, Because::Configured),
            Require::Signature => (TrustLevel::Signature, Because::Configured),
            Require::Checksum => (TrustLevel::Checksum, Because::Configured),
            Require::None => (TrustLevel::None, Because::Configured),
            Require::Strictest if has_keys && offered < TrustLevel::Manifest => {
                (TrustLevel::Signature, Because::KeysPinned)
            }
            Require::Strictest if offered > TrustLevel::None => (offered, Because::Offered),
            Require::Strictest => (TrustLevel::None, Because::NothingToAsk),
        };
        if memory.level > level {
            return Needed { level: memory.level, because: Because::Remembered };
        }
        Needed { level, because }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_that_is_to_be_had_is_asked_for_and_never_less_than_before() {
        let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".parse().unwrap();
        let bare = Policy::default();
        let pinned = Policy { signing_keys: vec![key], ..Policy::default() };
        let lax = Policy { require: Require::None, ..pinned.clone() };
        let new = Memory::default();
        let spoilt = Memory { level: TrustLevel::Manifest, ..new };
        for (policy, offered, memory, level, because) in [
            (&bare, TrustLevel::None, new, TrustLevel::None, Because::NothingToAsk),
            (&bare, TrustLevel::Image, new, TrustLevel::Image, Because::Offered),
            (&pinned, TrustLevel::Image, new, TrustLevel::Signature, Because::KeysPinned),
            (&pinned, TrustLevel::Manifest, new, TrustLevel::Manifest, Because::Offered),
            (&pinned, TrustLevel::None, spoilt, TrustLevel::Manifest, Because::Remembered),
            (&lax, TrustLevel::Image, new, TrustLevel::None, Because::Configured),
            (&lax, TrustLevel::Image, spoilt, TrustLevel::Manifest, Because::Remembered),
        ] {
            assert_eq!(policy.needed(offered, &memory), Needed { level, because });
        }
    }
}
