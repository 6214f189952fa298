//! The order of the checks, and what they come to.

use super::{Asked, Check, CheckName, Now, Question, Report, Stated, Target, Verdict};
use crate::clock;
use crate::firmware::{Manifest, Memory, Needed, Policy, Problem, Skipped, TrustLevel};
use crate::measurement::UtcMicros;
use crate::wire::mcuboot::{Image, ImageVersion};

/// Checks under way.
pub(super) struct Run<'a> {
    pub question: Question<'a>,
    pub checks: Vec<Check>,
    pub image: Option<Image>,
    pub manifest: Option<Manifest>,
}

/// Makes every check that can be made.
pub fn check(question: &Question) -> Report {
    let mut run = Run::new(question);
    run.image();
    run.slot();
    run.image_signature();
    run.announced();
    run.signature();
    run.manifest();
    run.model();
    run.freshness();
    run.rollout();
    run.versions();
    run.end()
}

/// Only whether a file is a whole image that a watch could start.
pub fn integrity(file: &[u8]) -> Vec<Check> {
    let question = Question {
        file,
        name: None,
        stated: &Stated::default(),
        manifest: None,
        manifest_name: None,
        signature: None,
        target: &Target::default(),
        asked: Asked::default(),
        policy: &Policy::default(),
        memory: None,
        now: Now { at: UtcMicros(0), trust: clock::Trust::Unsynchronised },
    };
    let mut run = Run::new(&question);
    run.image();
    run.checks
}

impl<'a> Run<'a> {
    fn new(question: &Question<'a>) -> Self {
        Self { question: *question, checks: Vec::new(), image: None, manifest: None }
    }

    pub fn passed(&mut self, name: CheckName, detail: impl Into<String>) {
        self.checks.push(Check { name, verdict: Verdict::Passed, detail: detail.into() });
    }

    pub fn failed(&mut self, name: CheckName, problem: impl Into<Problem>) {
        let verdict = Verdict::Failed(problem.into());
        self.checks.push(Check { name, verdict, detail: String::new() });
    }

    pub fn not_done(&mut self, name: CheckName, skipped: Skipped, detail: impl Into<String>) {
        self.checks.push(Check { name, verdict: Verdict::NotDone(skipped), detail: detail.into() });
    }

    pub fn has_passed(&self, name: CheckName) -> bool {
        self.checks.iter().any(|check| check.name == name && check.verdict == Verdict::Passed)
    }

    /// Which firmware it is: by the image itself, or else by the manifest.
    pub fn version(&self) -> Option<ImageVersion> {
        self.image.as_ref().map(Image::version).or(self.manifest.as_ref().map(|manifest| manifest.version))
    }

    /// What stands behind the file, by what has passed.
    fn level(&self) -> TrustLevel {
        let passed = |name| self.has_passed(name);
        if !passed(CheckName::Image) {
            return TrustLevel::None;
        }
        let has_keys = !self.question.policy.signing_keys.is_empty();
        let about_it = self.question.manifest.is_none() || passed(CheckName::ManifestFile);
        let signed = passed(CheckName::Signature) && about_it;
        // A manifest that nobody signed says no more than a cloud would.
        let said_by_manifest = passed(CheckName::ManifestFile);
        let meant_for_it =
            [CheckName::Product, CheckName::Hardware, CheckName::Expiry].into_iter().all(passed)
                && (passed(CheckName::Sequence) || self.question.memory.is_none());
        if signed && has_keys && said_by_manifest && meant_for_it {
            TrustLevel::Manifest
        } else if signed || passed(CheckName::ImageSignature) {
            TrustLevel::Signature
        } else if said_by_manifest || (passed(CheckName::Announced) && self.question.stated.version.is_some())
        {
            TrustLevel::Image
        } else if passed(CheckName::Announced) && self.question.stated.sha256.is_some() {
            TrustLevel::Checksum
        } else {
            TrustLevel::None
        }
    }

    /// What could be reached by what is there.
    fn offered(&self) -> TrustLevel {
        let Question { stated, manifest, policy, .. } = &self.question;
        match manifest {
            Some(_) if !policy.signing_keys.is_empty() => TrustLevel::Manifest,
            Some(_) => TrustLevel::Image,
            None if stated.version.is_some() => TrustLevel::Image,
            None if stated.sha256.is_some() => TrustLevel::Checksum,
            None => TrustLevel::None,
        }
    }

    fn end(mut self) -> Report {
        let before = self.question.memory.copied().unwrap_or_default();
        let level = self.level();
        let needed = self.question.policy.needed(self.offered(), &before);
        let Needed { level: least, because } = needed;
        if level >= least {
            self.passed(CheckName::Policy, format!("level {level}, and {} is enough", least.number()));
        } else {
            self.failed(CheckName::Policy, Problem::Level { reached: level, needed: least, because });
        }
        let mut report = Report {
            checks: self.checks,
            level,
            needed,
            image: self.image,
            manifest: self.manifest,
            memory: before,
        };
        if report.satisfied() {
            report.memory = before.max(learnt(&self.question, level, report.manifest.as_ref()));
        }
        report
    }
}

/// What a file that may go to the watch teaches about what comes after it.
fn learnt(question: &Question, level: TrustLevel, manifest: Option<&Manifest>) -> Memory {
    let manifest = manifest.filter(|_| level == TrustLevel::Manifest);
    // A clock that is only believed may be years ahead, and would have everything expire for ever.
    let clock = (question.now.trust == clock::Trust::Synchronised).then_some(question.now.at);
    Memory {
        level,
        sequence: manifest.map(|manifest| manifest.sequence),
        security_counter: None,
        trusted_time: clock.max(manifest.map(|manifest| manifest.created)),
    }
}
