//! `[firmware]`: how far firmware has to be trusted.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;

use super::build::File;
use super::error::ConfigError;
use super::fetch::FirmwareTable;
use crate::wire::mcuboot::ImageKey;
use crate::wire::minisign::SigningKey;

/// One, and its successor.
const MOST_SIGNING_KEYS: usize = 2;

/// How far firmware has to be trusted, and by whose keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirmwareTrustConfig {
    /// What has to stand behind a file.
    pub require: Require,
    /// Who may sign files and manifests; at most two.
    pub signing_keys: Vec<SigningKey>,
    /// Who may sign images.
    pub image_keys: Vec<ImageKey>,
}

/// What has to stand behind a firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// The most that can be had.
    #[default]
    Strictest,
    /// A signed manifest.
    Manifest,
    /// A signature with a pinned key.
    Signature,
    /// A checksum from elsewhere.
    Checksum,
    /// Nothing.
    None,
}

pub(super) fn trust(file: &File, table: &FirmwareTable) -> Result<FirmwareTrustConfig, ConfigError> {
    if let Some(third) = table.signing_keys.get(MOST_SIGNING_KEYS) {
        let problem = "there may be two, while one replaces the other; leave out the oldest";
        return Err(file.wrong("firmware.signing_keys", third, problem));
    }
    Ok(FirmwareTrustConfig {
        require: table.require,
        signing_keys: keys(file, "firmware.signing_keys", &table.signing_keys)?,
        image_keys: keys(file, "firmware.image_keys", &table.image_keys)?,
    })
}

fn keys<K: FromStr<Err: Display>>(
    file: &File,
    key: &str,
    written: &[Spanned<String>],
) -> Result<Vec<K>, ConfigError> {
    let read = |text: &Spanned<String>| {
        text.get_ref().parse().map_err(|error: K::Err| file.wrong(key, text, error.to_string()))
    };
    written.iter().map(read).collect()
}
