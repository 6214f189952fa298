//! The file for itself: whether it is a whole image, and the one that was announced.

use super::CheckName;
use super::run::Run;
use crate::firmware::{FileKind, Problem, Skipped, recognise};
use crate::wire::Sha256;
use crate::wire::mcuboot::{Flags, Image, ImageVersion, Mark, Trailer};

impl Run<'_> {
    pub(super) fn image(&mut self) {
        let file = self.question.file;
        let kind = recognise(file);
        if kind != FileKind::Mcuboot {
            return self.failed(CheckName::Image, kind);
        }
        let image = match Image::parse(file) {
            Ok(image) => image,
            Err(error) => return self.failed(CheckName::Image, error),
        };
        let detail = format!("{}, {} bytes, hash {}", image.version(), image.length, image.hash);
        self.passed(CheckName::Image, detail);
        if let Some(trailer) = image.trailer {
            let extra = file.len() as u64 - image.length;
            if trailer.image_ok == Mark::Set {
                self.failed(CheckName::Padding, Problem::ConfirmedInAdvance);
            } else {
                self.passed(
                    CheckName::Padding,
                    format!("{extra} bytes up to the end of a slot, which are no part of it"),
                );
            }
        }
        if image.header.flags.has(Flags::NON_BOOTABLE) {
            self.failed(CheckName::Bootable, Problem::NotBootable);
        } else {
            self.passed(CheckName::Bootable, format!("flags: {}", image.header.flags));
        }
        self.image = Some(image);
    }

    pub(super) fn slot(&mut self) {
        let Some(image) = &self.image else { return self.not_done(CheckName::Slot, Skipped::NoImage, "") };
        let Some(slot) = self.question.target.slot else {
            return self.not_done(CheckName::Slot, Skipped::UnknownSlot, "");
        };
        let (size, room) = (image.length, slot.saturating_sub(Trailer::SIZE as u64));
        if size > room {
            self.failed(CheckName::Slot, Problem::TooLarge { size, room });
        } else {
            self.passed(CheckName::Slot, format!("{size} of {room} bytes"));
        }
    }

    pub(super) fn image_signature(&mut self) {
        let name = CheckName::ImageSignature;
        let Some(image) = &self.image else { return self.not_done(name, Skipped::NoImage, "") };
        let keys = &self.question.policy.image_keys;
        let kinds: Vec<String> = image.signatures().map(|kind| kind.to_string()).collect();
        let detail =
            if kinds.is_empty() { "unsigned".to_owned() } else { format!("signed: {}", kinds.join(", ")) };
        if keys.is_empty() {
            return self.not_done(name, Skipped::NoImageKey, detail);
        }
        let mut result = None;
        for key in keys {
            match image.verify(key) {
                Ok(()) => return self.passed(name, format!("Ed25519, by the key with hash {}", key.hash())),
                // A signature in a pinned key's name that is not by it tells more than one by a stranger.
                Err(error) if result.is_none() || error == crate::wire::mcuboot::SignatureError::Wrong => {
                    result = Some(error);
                }
                Err(_) => {}
            }
        }
        if let Some(error) = result {
            self.failed(name, error);
        }
    }

    pub(super) fn announced(&mut self) {
        let name = CheckName::Announced;
        let (file, stated) = (self.question.file, self.question.stated);
        if stated.version.is_none() && stated.size.is_none() && stated.sha256.is_none() {
            return self.not_done(name, Skipped::NothingStated, "");
        }
        if let Some(stated) = stated.size.filter(|size| *size != file.len() as u64) {
            return self.failed(name, Problem::Size { stated, actual: file.len() as u64 });
        }
        let actual = Sha256::of(file);
        if let Some(stated) = stated.sha256.filter(|stated| *stated != actual) {
            return self.failed(name, Problem::Checksum { stated, actual });
        }
        let Some(image) = &self.image else { return self.not_done(name, Skipped::NoImage, "") };
        match &stated.version {
            Some(text) if !agrees(text, image.version()) => {
                let actual = image.version();
                self.failed(name, Problem::Version { stated: text.clone(), actual });
            }
            _ => self.passed(name, ""),
        }
    }
}

/// Whether a written version is that one. One without a build leaves the build open.
pub(super) fn agrees(text: &str, version: ImageVersion) -> bool {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    match text.parse::<ImageVersion>() {
        Ok(written) if text.matches(['.', '+']).count() == 2 => {
            written == ImageVersion { build: 0, ..version }
        }
        written => written == Ok(version),
    }
}
