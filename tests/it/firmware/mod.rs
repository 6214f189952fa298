//! Stories of firmware: what a file has to show before a byte of it goes to a watch.

mod a_broken_download_goes_on;
mod a_download_can_be_dropped_at_any_time;
mod a_download_goes_only_where_it_may;
mod a_file_is_trusted_as_far_as_it_is_signed;
#[cfg(feature = "sim")]
mod a_private_cloud_offers_firmware;
mod a_wrong_file_is_refused_with_the_way_out;
mod the_command_prints_every_verdict;
mod what_is_not_the_file_is_refused;

use minisign::KeyPair;
use nowbridge::clock::Trust;
use nowbridge::firmware::{
    Asked, CheckName, Memory, Now, Policy, Problem, Question, Report, Stated, Target, Verdict, check,
};
use nowbridge::measurement::UtcMicros;
use nowbridge::wire::Sha256;
use nowbridge::wire::mcuboot::{Image, ImageBuilder, ImageKey};
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

/// 2026-11-22T09:00:00Z.
const NOW: UtcMicros = UtcMicros(1_795_338_000_000_000);
const HOUR: i64 = 3_600_000_000;

/// Whoever releases firmware, with new keys.
struct Publisher {
    signing: KeyPair,
    image: Ed25519KeyPair,
}

impl Publisher {
    fn new(seed: u8) -> Self {
        let signing = KeyPair::generate_unencrypted_keypair().unwrap();
        Self { signing, image: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
    }

    fn sign(&self, bytes: &[u8], comment: &str) -> Vec<u8> {
        let Self { signing, .. } = self;
        let made = minisign::sign(Some(&signing.pk), &signing.sk, bytes, Some(comment), None);
        made.unwrap().to_string().into_bytes()
    }

    /// Version 1.4.0 with security counter 7, the image signed.
    fn image(&self) -> Vec<u8> {
        let image = ImageBuilder::new("1.4.0".parse().unwrap(), [0x5a; 600]);
        image.header_size(0x200).security_counter(7).signed_by(&self.image).build().unwrap()
    }

    /// What it says of that image.
    fn manifest(file: &[u8]) -> Value {
        json!({
            "schema": 1, "product": "watch", "hw": ["rev-a", "rev-b"], "version": "1.4.0", "build": 0, "security_counter": 7,
            "min_from": "1.1.0", "size": file.len(), "sha256": Sha256::of(file),
            "mcuboot_sha256": Image::parse(file).unwrap().hash, "sequence": 42,
            "created": "2026-11-20T00:00:00Z", "expires": "2026-12-20T00:00:00Z",
            "rollout_percent": 25, "rollout_salt": "1.4.0", "min_battery": 30, "notes_url": "https://example.org/1.4.0"
        })
    }

    fn policy(&self) -> Policy {
        Policy { signing_keys: vec![self.signing.pk.to_base64().parse().unwrap()], ..Policy::default() }
    }

    /// All of it, for a watch that is to have it: nothing is wrong.
    fn release(&self) -> Case {
        let file = self.image();
        let manifest = Self::manifest(&file).to_string().into_bytes();
        Case {
            signature: Some(self.sign(&manifest, "timestamp:1795300000\tfile:app.json\thashed")),
            manifest: Some(manifest),
            file,
            stated: Stated::default(),
            target: Target {
                product: Some("watch".to_owned()),
                hardware: Some("rev-b".to_owned()),
                installed: Some("1.3.2".parse().unwrap()),
                device: Some(vec![0; 16]),
                slot: Some(0x10_000),
            },
            asked: Asked { by_hand: true, allow_downgrade: false },
            policy: self.policy(),
            memory: Memory::default(),
            now: Now { at: NOW, trust: Trust::Synchronised },
        }
    }

    /// The same with another manifest, signed as well.
    fn release_saying(&self, change: impl FnOnce(&mut Value)) -> Case {
        let mut case = self.release();
        let mut manifest = Self::manifest(&case.file);
        change(&mut manifest);
        let manifest = manifest.to_string().into_bytes();
        case.signature = Some(self.sign(&manifest, "timestamp:1795300000\tfile:app.json\thashed"));
        case.manifest = Some(manifest);
        case
    }
}

/// A file and everything that it is judged by.
struct Case {
    file: Vec<u8>,
    stated: Stated,
    manifest: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    target: Target,
    asked: Asked,
    policy: Policy,
    memory: Memory,
    now: Now,
}

impl Case {
    fn check(&self) -> Report {
        check(&Question {
            file: &self.file,
            name: Some("app.bin"),
            stated: &self.stated,
            manifest: self.manifest.as_deref(),
            manifest_name: Some("app.json"),
            signature: self.signature.as_deref(),
            target: &self.target,
            asked: self.asked,
            policy: &self.policy,
            memory: Some(&self.memory),
            now: self.now,
        })
    }

    /// Why this check refuses it; whatever else is wrong, it teaches nothing.
    #[track_caller]
    fn refused(&self, name: CheckName) -> Problem {
        let report = self.check();
        assert!(!report.satisfied());
        assert_eq!(report.memory, self.memory, "what is refused is not learnt from");
        match report.verdict(name) {
            Some(Verdict::Failed(problem)) => problem.clone(),
            other => panic!("{name} is {other:?}, not refused: {:#?}", report.checks),
        }
    }

    #[track_caller]
    fn passed(&self) -> Report {
        let report = self.check();
        assert!(report.satisfied(), "{:#?}", report.problems().collect::<Vec<_>>());
        report
    }
}

fn image_key(publisher: &Publisher) -> ImageKey {
    ImageKey::of(&publisher.image)
}
