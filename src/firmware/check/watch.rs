//! The file and the watch: whether it is made for it, and whether it is its turn.

use super::CheckName;
use super::run::Run;
use crate::firmware::{Manifest, Problem, Skipped};
use crate::measurement::UtcMicros;
use crate::wire::mcuboot::Image;

impl Run<'_> {
    /// The checks that only a manifest makes possible, if there is none.
    fn without_manifest(&mut self, names: &[CheckName]) {
        for name in names {
            self.not_done(*name, Skipped::NoManifest, "");
        }
    }

    pub(super) fn model(&mut self) {
        let Some(manifest) = self.manifest.clone() else {
            return self.without_manifest(&[CheckName::Product, CheckName::Hardware]);
        };
        let target = self.question.target;
        match &target.product {
            None => self.not_done(CheckName::Product, Skipped::UnknownProduct, manifest.product),
            Some(actual) if *actual == manifest.product => self.passed(CheckName::Product, actual),
            Some(actual) => {
                let problem = Problem::WrongModel { stated: manifest.product, actual: actual.clone() };
                self.failed(CheckName::Product, problem);
            }
        }
        let stated = manifest.hardware.join(", ");
        match &target.hardware {
            _ if manifest.hardware.is_empty() => self.passed(CheckName::Hardware, "any"),
            None => self.not_done(CheckName::Hardware, Skipped::UnknownHardware, stated),
            Some(actual) if manifest.hardware.contains(actual) => self.passed(CheckName::Hardware, actual),
            Some(actual) => {
                self.failed(CheckName::Hardware, Problem::WrongModel { stated, actual: actual.clone() });
            }
        }
    }

    pub(super) fn freshness(&mut self) {
        let Some(manifest) = self.manifest.clone() else {
            return self.without_manifest(&[CheckName::Sequence, CheckName::Expiry]);
        };
        let sequence = manifest.sequence;
        match self.question.memory.map(|memory| memory.sequence) {
            None => self.not_done(CheckName::Sequence, Skipped::NoMemory, sequence.to_string()),
            Some(Some(seen)) if sequence < seen => {
                self.failed(CheckName::Sequence, Problem::OldManifest { sequence, seen });
            }
            Some(Some(seen)) => self.passed(CheckName::Sequence, format!("{sequence}, after {seen}")),
            Some(None) => self.passed(CheckName::Sequence, format!("{sequence}, the first")),
        }
        self.expiry(&manifest);
    }

    /// A clock that was set back must not bring an old manifest back to life, and one that is not set yet proves nothing.
    fn expiry(&mut self, manifest: &Manifest) {
        let trust = self.question.now.trust;
        let clock = trust.is_believed().then_some(self.question.now.at);
        let remembered = self.question.memory.and_then(|memory| memory.trusted_time);
        let now = manifest.created.max(clock.max(remembered).unwrap_or(UtcMicros(i64::MIN)));
        let expires = manifest.expires;
        if now >= expires {
            self.failed(CheckName::Expiry, Problem::Expired { expires });
        } else if clock.is_none() {
            self.not_done(CheckName::Expiry, Skipped::Clock(trust), expires.to_string());
        } else {
            self.passed(CheckName::Expiry, format!("until {expires}"));
        }
    }

    pub(super) fn rollout(&mut self) {
        let name = CheckName::Rollout;
        let Some(manifest) = &self.manifest else { return self.without_manifest(&[name]) };
        let percent = manifest.rollout_percent;
        let detail = format!("{percent} % of the watches");
        match &self.question.target.device {
            _ if percent == 100 => self.passed(name, detail),
            _ if self.question.asked.by_hand => self.passed(name, format!("{detail}; asked for by hand")),
            None => self.not_done(name, Skipped::UnknownWatch, detail),
            Some(device) if manifest.includes(device) => self.passed(name, detail),
            Some(_) => self.failed(name, Problem::NotYet(percent)),
        }
    }

    pub(super) fn versions(&mut self) {
        self.newer();
        self.counter();
        let name = CheckName::MinimumVersion;
        let least = self.manifest.as_ref().map(|manifest| manifest.min_from);
        match (least, self.question.target.installed) {
            (None, _) => self.without_manifest(&[name]),
            (Some(None), _) => self.passed(name, "any"),
            (Some(Some(least)), None) => self.not_done(name, Skipped::UnknownInstalled, least.to_string()),
            (Some(Some(least)), Some(installed)) if installed < least => {
                self.failed(name, Problem::TooOldToUpdate { least, installed });
            }
            (Some(Some(least)), Some(installed)) => {
                self.passed(name, format!("{least}, and {installed} runs"));
            }
        }
    }

    fn newer(&mut self) {
        let name = CheckName::Version;
        let asked = self.question.asked;
        let Some(version) = self.version() else { return self.not_done(name, Skipped::NoImage, "") };
        let Some(installed) = self.question.target.installed else {
            return self.not_done(name, Skipped::UnknownInstalled, version.to_string());
        };
        if version > installed {
            self.passed(name, format!("{installed} to {version}"));
        } else if version == installed && asked.by_hand {
            self.passed(name, format!("{version} again; asked for by hand"));
        } else if version == installed {
            self.failed(name, Problem::SameVersion(version));
        } else if asked.allow_downgrade {
            self.passed(name, format!("{installed} back to {version}; asked for with --allow-downgrade"));
        } else {
            self.failed(name, Problem::Downgrade { version, installed });
        }
    }

    /// What the bootloader may not refuse: swapping ones let older images in.
    fn counter(&mut self) {
        let name = CheckName::SecurityCounter;
        let stated = self.manifest.as_ref().and_then(|manifest| manifest.security_counter);
        let counter = self.image.as_ref().and_then(Image::security_counter).or(stated);
        let detail = counter.map_or_else(|| "it has none".to_owned(), |counter| counter.to_string());
        let Some(memory) = self.question.memory else {
            return self.not_done(name, Skipped::NoMemory, detail);
        };
        match memory.security_counter {
            Some(stored) if counter.unwrap_or(0) < stored => {
                self.failed(name, Problem::Counter { counter: counter.unwrap_or(0), stored });
            }
            Some(stored) => self.passed(name, format!("{detail}, after {stored}")),
            None => self.passed(name, format!("{detail}, and the watch had none")),
        }
    }
}
