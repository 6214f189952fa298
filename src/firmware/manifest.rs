//! What a publisher signs about a file: which watch it is for, how new it is, and how long that holds.
//!
//! The signature is over the bytes as they came, so nothing here is to be asked before it was checked. What a later
//! schema might demand cannot be guessed, so an unknown one is refused, and so is an unknown key.

use serde::Deserialize;
use sha2::Digest;
use thiserror::Error;

use crate::measurement::UtcMicros;
use crate::wire::Sha256;
use crate::wire::mcuboot::ImageVersion;

/// Bytes that a manifest may have.
pub const LARGEST_MANIFEST: usize = 64 * 1_024;

/// The only schema there is.
const SCHEMA: u64 = 1;

/// A manifest of schema 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Which product it is for.
    pub product: String,
    /// Which hardware revisions of it; none: all.
    pub hardware: Vec<String>,
    /// Which firmware it is about, with the build.
    pub version: ImageVersion,
    /// The file's counter that never goes down.
    pub security_counter: Option<u32>,
    /// What has to run before, at least.
    pub min_from: Option<ImageVersion>,
    /// Bytes of the file.
    pub size: u64,
    /// What the file hashes to.
    pub sha256: Sha256,
    /// What the image in it hashes to, which is how the watch calls it.
    pub image_sha256: Option<Sha256>,
    /// Grows with every manifest, so that an old one is not taken for the newest.
    pub sequence: u64,
    /// When it was made.
    pub created: UtcMicros,
    /// When it is no longer to be believed.
    pub expires: UtcMicros,
    /// For which share of the watches, 0 to 100.
    pub rollout_percent: u8,
    /// What shuffles them.
    pub rollout_salt: String,
    /// How full the watch's battery has to be, percent.
    pub min_battery: Option<u8>,
    /// What is new, for people.
    pub notes_url: Option<String>,
}

/// A file that is no manifest, or not one that is understood here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Nobody writes so much about a file.
    #[error("the manifest has {0} bytes; one has at most {LARGEST_MANIFEST}")]
    TooLarge(usize),
    /// It is something else.
    #[error("this is no manifest of firmware: {0}")]
    NotAManifest(String),
    /// Of another time.
    #[error("the manifest is of schema {0}, and this nowbridge knows {SCHEMA}; update nowbridge")]
    Schema(u64),
    /// Something in it cannot be.
    #[error("the manifest's {key} cannot be: {problem}")]
    Value {
        /// Which.
        key: &'static str,
        /// Why.
        problem: String,
    },
}

#[derive(Deserialize)]
struct AnySchema {
    schema: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Schema1 {
    #[serde(rename = "schema")]
    _schema: u64,
    product: String,
    hw: Vec<String>,
    version: ImageVersion,
    build: Option<u32>,
    security_counter: Option<u32>,
    min_from: Option<ImageVersion>,
    size: u64,
    sha256: Sha256,
    mcuboot_sha256: Option<Sha256>,
    sequence: u64,
    created: String,
    expires: String,
    rollout_percent: Option<u8>,
    rollout_salt: Option<String>,
    min_battery: Option<u8>,
    notes_url: Option<String>,
}

impl Manifest {
    /// Reads the bytes, whose signature was checked.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > LARGEST_MANIFEST {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let not_one = |error: serde_json::Error| ManifestError::NotAManifest(error.to_string());
        let AnySchema { schema } = serde_json::from_slice(bytes).map_err(not_one)?;
        if schema != SCHEMA {
            return Err(ManifestError::Schema(schema));
        }
        let read: Schema1 = serde_json::from_slice(bytes).map_err(not_one)?;
        Self::of(read)
    }

    fn of(read: Schema1) -> Result<Self, ManifestError> {
        let wrong = |key, problem: &str| ManifestError::Value { key, problem: problem.to_owned() };
        let mut version = read.version;
        match read.build {
            Some(build) if version.build != 0 && version.build != build => {
                return Err(wrong("build", "the version has another"));
            }
            Some(build) => version.build = build,
            None => {}
        }
        let (created, expires) = (time("created", &read.created)?, time("expires", &read.expires)?);
        if expires <= created {
            return Err(wrong("expires", "it is not later than created"));
        }
        if read.product.trim().is_empty() {
            return Err(wrong("product", "it is empty"));
        }
        let percent = |key, value: Option<u8>| match value {
            Some(101..) => Err(wrong(key, "it is more than 100")),
            value => Ok(value),
        };
        Ok(Self {
            product: read.product,
            hardware: read.hw,
            version,
            security_counter: read.security_counter,
            min_from: read.min_from,
            size: read.size,
            sha256: read.sha256,
            image_sha256: read.mcuboot_sha256,
            sequence: read.sequence,
            created,
            expires,
            rollout_percent: percent("rollout_percent", read.rollout_percent)?.unwrap_or(100),
            rollout_salt: read.rollout_salt.unwrap_or_else(|| version.to_string()),
            min_battery: percent("min_battery", read.min_battery)?,
            notes_url: read.notes_url,
        })
    }

    /// Whether it is this watch's turn. The share is of watches, and each stays where it is while the salt stays.
    pub fn includes(&self, device: &[u8]) -> bool {
        bucket(&self.rollout_salt, device) < u64::from(self.rollout_percent) * 100
    }
}

/// 0 to 9,999: the first eight bytes, big-endian, of the SHA-256 over salt and device id, modulo 10,000.
fn bucket(salt: &str, device: &[u8]) -> u64 {
    let hash = sha2::Sha256::new().chain_update(salt).chain_update(device).finalize();
    let first = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    first % 10_000
}

fn time(key: &'static str, text: &str) -> Result<UtcMicros, ManifestError> {
    let at = text.parse::<jiff::Timestamp>();
    at.map(|at| UtcMicros(at.as_microsecond()))
        .map_err(|error| ManifestError::Value { key, problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn example() -> Value {
        json!({
            "schema": 1, "product": "watch", "hw": ["rev-b"], "version": "1.4.0", "build": 7, "security_counter": 7,
            "min_from": "1.1.0", "size": 412_345, "sha256": "ab".repeat(32), "mcuboot_sha256": "CD".repeat(32),
            "sequence": 42, "created": "2026-11-01T00:00:00Z", "expires": "2026-12-01T00:00:00Z",
            "rollout_percent": 25, "rollout_salt": "1.4.0", "min_battery": 30, "notes_url": "https://example.org/1.4.0"
        })
    }

    fn parse(manifest: &Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(manifest.to_string().as_bytes())
    }

    fn with(key: &str, value: impl Into<Value>) -> String {
        let mut manifest = example();
        manifest[key] = value.into();
        parse(&manifest).unwrap_err().to_string()
    }

    #[test]
    fn everything_in_it_is_read() {
        let manifest = parse(&example()).unwrap();
        assert_eq!(manifest.version.to_string(), "1.4.0+7");
        assert_eq!(manifest.expires.0 - manifest.created.0, 30 * 86_400 * 1_000_000);
        assert_eq!(
            (manifest.sequence, manifest.security_counter, manifest.min_battery),
            (42, Some(7), Some(30))
        );
        let mut short = example();
        for key in [
            "build",
            "security_counter",
            "min_from",
            "mcuboot_sha256",
            "rollout_percent",
            "rollout_salt",
            "min_battery",
            "notes_url",
        ] {
            short.as_object_mut().unwrap().remove(key);
        }
        let short = parse(&short).unwrap();
        assert_eq!((short.rollout_percent, short.rollout_salt.as_str()), (100, "1.4.0"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        assert_eq!(with("schema", 2), ManifestError::Schema(2).to_string());
        for (key, value) in [
            ("build", json!(-1)),
            ("version", json!("1.4")),
            ("version", json!("1.4.0+8")),
            ("sha256", json!("abc")),
            ("expires", json!("2026-11-01T00:00:00Z")),
            ("created", json!("yesterday")),
            ("rollout_percent", json!(101)),
            ("product", json!(" ")),
            ("surprise", json!(true)),
        ] {
            let complaint = with(key, value);
            assert!(complaint.contains("manifest"), "{key}: {complaint}");
        }
        let doubled = example().to_string().replacen("\"sequence\":42", "\"sequence\":42,\"sequence\":43", 1);
        assert!(matches!(Manifest::parse(doubled.as_bytes()), Err(ManifestError::NotAManifest(_))));
        let large = vec![b' '; LARGEST_MANIFEST + 1];
        assert_eq!(Manifest::parse(&large), Err(ManifestError::TooLarge(LARGEST_MANIFEST + 1)));
    }

    #[test]
    fn a_share_of_the_watches_is_about_that_share_and_only_ever_grows() {
        let mut manifest = parse(&example()).unwrap();
        let watches: Vec<[u8; 16]> =
            (0..2_000_u32).map(|n| Sha256::of(&n.to_le_bytes()).0[..16].try_into().unwrap()).collect();
        let mut before = 0;
        for (percent, about) in [(0, 0), (1, 20), (25, 500), (100, 2_000)] {
            manifest.rollout_percent = percent;
            let now = watches.iter().filter(|device| manifest.includes(*device)).count();
            assert!(now.abs_diff(about) <= 80 && now >= before, "{percent} %: {now}");
            before = now;
        }
        assert_eq!(before, 2_000);
        // Worked out apart from this program: the number must be the same on every host.
        assert_eq!(bucket("1.4.0", b"nowbridge golden"), 5308);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_manifest_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[\\[{}\\]\",:0-9a-z]{0,200}") {
            let _ = Manifest::parse(&bytes);
            let _ = Manifest::parse(text.as_bytes());
        }
    }
}
