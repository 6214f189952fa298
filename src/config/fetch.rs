//! `[firmware]`: what may be fetched for the watches, from where, and what happens by itself.

use reqwest::Url;
use serde::de::{Deserialize, Deserializer, Error};

use toml::Spanned;

use super::firmware::Require;
use super::size;

/// The largest file that is held in memory to be hashed.
const LARGEST: u64 = 64 << 20;

/// What may be fetched for the watches, from where, and what happens by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareConfig {
    /// What happens without anybody asking.
    pub automatic: Automatic,
    /// The channel; `None`: the one that the account is in.
    pub channel: Option<String>,
    /// Hosts that files may come from besides the cloud's, with a port if it is not the usual one; in small letters.
    pub hosts: Vec<String>,
    /// The largest file, bytes.
    pub max_size: u64,
    /// Where the API has the latest firmware; a path behind the cloud's address.
    pub offer_path: String,
    /// Where administrators of a private cloud look after its firmware.
    pub admin_path: String,
}

/// What happens with new firmware without anybody asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Automatic {
    /// Nothing.
    #[default]
    Off,
    /// It is fetched and verified.
    Download,
    /// It is installed, too.
    Install,
}

impl Default for FirmwareConfig {
    fn default() -> Self {
        Self::from(&FirmwareTable::default())
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FirmwareTable {
    pub automatic: Automatic,
    #[serde(deserialize_with = "channel")]
    pub channel: Option<String>,
    #[serde(deserialize_with = "hosts")]
    pub hosts: Vec<String>,
    #[serde(deserialize_with = "max_size")]
    pub max_size: u64,
    #[serde(deserialize_with = "path")]
    pub offer_path: String,
    #[serde(deserialize_with = "path")]
    pub admin_path: String,
    pub require: Require,
    pub signing_keys: Vec<Spanned<String>>,
    pub image_keys: Vec<Spanned<String>>,
}

impl Default for FirmwareTable {
    fn default() -> Self {
        Self {
            automatic: Automatic::Off,
            channel: None,
            hosts: Vec::new(),
            max_size: 8 << 20,
            offer_path: "/v1/firmware/latest".to_owned(),
            admin_path: "/v1/admin/firmware".to_owned(),
            require: Require::default(),
            signing_keys: Vec::new(),
            image_keys: Vec::new(),
        }
    }
}

impl From<&FirmwareTable> for FirmwareConfig {
    fn from(table: &FirmwareTable) -> Self {
        Self {
            automatic: table.automatic,
            channel: table.channel.clone(),
            hosts: table.hosts.clone(),
            max_size: table.max_size,
            offer_path: table.offer_path.clone(),
            admin_path: table.admin_path.clone(),
        }
    }
}

/// Whether a channel may be called that: 1 to 32 small letters, digits and hyphens.
pub fn is_channel(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

fn channel<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match String::deserialize(deserializer)? {
        text if is_channel(&text) => Ok(Some(text)),
        text => Err(D::Error::custom(format!(
            "\"{text}\" is no channel; its name has small letters, digits and hyphens, such as \"stable\""
        ))),
    }
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    hosts.into_iter().map(|text| host(&text).map_err(D::Error::custom)).collect()
}

/// A host as it stands in an address, with a port unless that is the usual one.
fn host(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "\"{text}\" is no host; write it as \"files.example.org\", with \":8443\" behind it if need be"
        )
    };
    let text = text.trim();
    if text.contains(['/', '@', '?', '#', '*']) {
        return Err(wrong());
    }
    let url = Url::parse(&format!("https://{text}")).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn max_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match size::deserialize(deserializer)? {
        size if (1..=LARGEST).contains(&size) => Ok(size),
        _ => Err(D::Error::custom("it is out of range; it may be \"1 KiB\" to \"64 MiB\"")),
    }
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte);
    if text.starts_with('/') && !text.ends_with('/') && text.bytes().all(plain) {
        return Ok(text);
    }
    Err(D::Error::custom(format!("\"{text}\" is no path; write it as \"/v1/firmware/latest\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_written_as_addresses_have_it() {
        for (text, host_) in [
            ("CDN.example.org", "cdn.example.org"),
            ("cdn.example.org:443", "cdn.example.org"),
            ("cdn.example.org:8443", "cdn.example.org:8443"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(host_));
        }
        for text in
            ["", "https://cdn.example.org", "cdn.example.org/x", "*.example.org", "me@example.org", "a b"]
        {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
