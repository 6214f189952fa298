//! What is signed: the file, or a manifest about it.

use super::CheckName;
use super::file::agrees;
use super::run::Run;
use crate::firmware::{Manifest, Problem, Skipped};
use crate::wire::Sha256;
use crate::wire::mcuboot::Image;
use crate::wire::minisign::Signature;

impl Run<'_> {
    pub(super) fn signature(&mut self) {
        let name = CheckName::Signature;
        let keys = &self.question.policy.signing_keys;
        let Some(bytes) = self.question.signature else {
            return self.not_done(name, Skipped::NoSignature, "");
        };
        if keys.is_empty() {
            return self.not_done(name, Skipped::NoSigningKey, "");
        }
        let signature = match Signature::decode(bytes) {
            Ok(signature) => signature,
            Err(error) => return self.failed(name, error),
        };
        let (message, what) = match self.question.manifest {
            Some(manifest) => (manifest, "the manifest"),
            None => (self.question.file, "the file"),
        };
        match signature.verify(keys, message) {
            Ok(comment) => {
                self.passed(name, format!("of {what}, with the key {}", comment.key));
                self.comment(comment.file(), comment.version());
            }
            Err(error) => self.failed(name, error),
        }
    }

    /// A right signature of another file is what somebody would show who cannot sign.
    fn comment(&mut self, file: Option<&str>, version: Option<&str>) {
        let name = CheckName::TrustedComment;
        let called = match self.question.manifest {
            Some(_) => self.question.manifest_name,
            None => self.question.name,
        };
        if let (Some(signed), Some(actual)) = (file, called)
            && signed != actual
        {
            let (signed, actual) = (signed.to_owned(), actual.to_owned());
            return self.failed(name, Problem::Comment { signed, actual });
        }
        let image = self.image.as_ref().map(Image::version);
        if let (Some(signed), Some(actual)) = (version, image)
            && !agrees(signed, actual)
        {
            return self
                .failed(name, Problem::Comment { signed: signed.to_owned(), actual: actual.to_string() });
        }
        let said =
            [file.map(|file| format!("file {file}")), version.map(|version| format!("version {version}"))];
        let said: Vec<String> = said.into_iter().flatten().collect();
        if said.is_empty() {
            self.not_done(name, Skipped::NothingStated, "");
        } else {
            self.passed(name, said.join(", "));
        }
    }

    pub(super) fn manifest(&mut self) {
        let Some(bytes) = self.question.manifest else {
            return self.not_done(CheckName::Manifest, Skipped::NoManifest, "");
        };
        let has_keys = !self.question.policy.signing_keys.is_empty();
        if has_keys && !self.has_passed(CheckName::Signature) {
            return self.not_done(CheckName::Manifest, Skipped::NotSigned, "");
        }
        match Manifest::parse(bytes) {
            Ok(manifest) => {
                let detail =
                    format!("{} {}, sequence {}", manifest.product, manifest.version, manifest.sequence);
                self.passed(CheckName::Manifest, detail);
                self.compare(&manifest);
                self.manifest = Some(manifest);
            }
            Err(error) => self.failed(CheckName::Manifest, error),
        }
    }

    /// Whether it is about this very file.
    fn compare(&mut self, manifest: &Manifest) {
        let name = CheckName::ManifestFile;
        match self.difference(manifest) {
            Some(problem) => self.failed(name, problem),
            None => self.passed(name, "size, hash and version are those of the file"),
        }
    }

    fn difference(&self, manifest: &Manifest) -> Option<Problem> {
        let file = self.question.file;
        let (stated, actual) = (manifest.size, file.len() as u64);
        if stated != actual {
            return Some(Problem::Size { stated, actual });
        }
        let (stated, actual) = (manifest.sha256, Sha256::of(file));
        if stated != actual {
            return Some(Problem::Checksum { stated, actual });
        }
        let image = self.image.as_ref()?;
        if let Some(stated) = manifest.image_sha256.filter(|stated| *stated != image.hash) {
            return Some(Problem::ImageHash { stated, actual: image.hash });
        }
        if manifest.version != image.version() {
            return Some(Problem::Version { stated: manifest.version.to_string(), actual: image.version() });
        }
        match (manifest.security_counter, image.security_counter()) {
            (Some(stated), Some(actual)) if stated != actual => {
                Some(Problem::CounterStated { stated, actual })
            }
            _ => None,
        }
    }
}
