//! The `firmware` tag: what the cloud offers a watch.
//!
//! **All of it is our assumption**: the public documentation names the tag and nothing else. The routes are settings
//! ([`FirmwareRoutes`]), and this file is the only place that knows the query and the answer:
//!
//! ```text
//! GET <latest>?product&hardware&current_version&channel
//! 200  {"version", "url", "size", "sha256", "manifestUrl", "signatureUrl", "notes"}; all but the first two may be missing
//! 204  nothing newer; so does null
//! 503  not now; Retry-After says when
//! ```

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, Reply};
use super::{Client, CloudError};
use crate::config::{FirmwareConfig, is_channel};
use crate::wire::Sha256;

/// A version or a note that is longer is no such thing.
const LONGEST_TEXT: usize = 2_000;

/// Where the API has what concerns firmware; paths behind the cloud's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareRoutes {
    /// The latest firmware for a watch.
    pub latest: String,
    /// What is kept for all watches; for administrators.
    pub admin: String,
}

impl Default for FirmwareRoutes {
    fn default() -> Self {
        let FirmwareConfig { offer_path, admin_path, .. } = FirmwareConfig::default();
        Self { latest: offer_path, admin: admin_path }
    }
}

/// Who firmware is released to: `stable`, `early-access`, or what an operator calls it. 1 to 32 of `a-z0-9-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(String);

/// What was given is no name of a channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no channel; its name has small letters, digits and hyphens, such as \"stable\"")]
pub struct ChannelError(pub String);

impl Channel {
    /// What everybody gets.
    pub fn stable() -> Self {
        Self("stable".to_owned())
    }

    /// What users with early access get.
    pub fn early_access() -> Self {
        Self("early-access".to_owned())
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_channel(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ChannelError(text.chars().take(40).collect()))
        }
    }
}

impl TryFrom<String> for Channel {
    type Error = ChannelError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For which watch firmware is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareQuery {
    /// What kind of watch.
    pub product: String,
    /// Its revision, where it is known.
    pub hardware: Option<String>,
    /// The version that it runs, where that is known. Without it, the latest is offered.
    pub installed: Option<String>,
    /// Who it is released to.
    pub channel: Channel,
}

/// What the cloud offers. Nothing in it is to be believed without a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirmwareOffer {
    /// As the cloud writes it.
    pub version: String,
    /// Where the file is. May hold a secret that expires.
    #[serde(skip)]
    pub url: Url,
    /// Its size, bytes.
    pub size: Option<u64>,
    /// The SHA-256 of the whole file.
    pub sha256: Option<Sha256>,
    /// Where its signed manifest is.
    #[serde(skip)]
    pub manifest: Option<Url>,
    /// Where a minisign signature is: of the manifest if there is one, else of the file.
    #[serde(skip)]
    pub signature: Option<Url>,
    /// What is new, in the maker's words.
    pub notes: Option<String>,
}

/// What a request to the API's own origin is authorised with. Goes nowhere else.
#[derive(Clone)]
pub struct Pass {
    pub(super) number: u64,
    pub(super) bearer: reqwest::header::HeaderValue,
}

impl Pass {
    /// The value of `Authorization`.
    pub fn bearer(&self) -> reqwest::header::HeaderValue {
        self.bearer.clone()
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pass({})", self.number)
    }
}

/// The latest firmware for such a watch; `None` if there is nothing newer.
pub(super) async fn latest(
    client: &Client,
    query: &FirmwareQuery,
) -> Result<Option<FirmwareOffer>, CloudError> {
    let mut call = Call::get(client.routes().latest.clone()).query("product", &query.product);
    if let Some(hardware) = &query.hardware {
        call = call.query("hardware", hardware);
    }
    if let Some(installed) = &query.installed {
        call = call.query("current_version", installed);
    }
    let call = call.query("channel", &query.channel);
    let reply = client.send(&call).await?;
    if reply.status == 204 {
        return Ok(None);
    }
    read(&reply, &client.base_url().join(&call.path))
}

/// `asked` is the address that answered: the addresses in an answer may be relative to it.
fn read(reply: &Reply, asked: &Url) -> Result<Option<FirmwareOffer>, CloudError> {
    let json: Value = reply.json()?;
    if json.is_null() {
        return Ok(None);
    }
    let field = |names: [&str; 2]| names.iter().find_map(|name| json.get(name)).filter(|v| !v.is_null());
    let text = |names: [&str; 2]| match field(names) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= LONGEST_TEXT => {
            Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(reply.unexpected(format!("its {} is no text of that kind", names[0]))),
    };
    let address = |names: [&str; 2]| match text(names)? {
        None => Ok(None),
        Some(text) => {
            asked.join(&text).map(Some).map_err(|_| reply.unexpected(format!("its {} is no URL", names[0])))
        }
    };
    // A checksum that cannot be read must not become none.
    let sha256 = match text(["sha256", "checksum"])? {
        None => None,
        Some(hex) => Some(hex.parse().map_err(|_| reply.unexpected("its sha256 is none"))?),
    };
    let size = match field(["size", "sizeBytes"]) {
        None => None,
        Some(size) => Some(size.as_u64().ok_or_else(|| reply.unexpected("its size is no number"))?),
    };
    Ok(Some(FirmwareOffer {
        version: text(["version", "firmwareVersion"])?
            .ok_or_else(|| reply.unexpected("it holds no version"))?,
        url: address(["url", "downloadUrl"])?.ok_or_else(|| reply.unexpected("it holds no url"))?,
        size,
        sha256,
        manifest: address(["manifestUrl", "manifest_url"])?,
        signature: address(["signatureUrl", "signature_url"])?,
        notes: text(["notes", "releaseNotes"])?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(body: &str) -> Result<Option<FirmwareOffer>, CloudError> {
        let reply =
            Reply { path: "/v1/firmware/latest".into(), status: 200, content_type: None, body: body.into() };
        read(&reply, &"https://api.example.org/nowatch/v1/firmware/latest".parse().unwrap())
    }

    #[test]
    fn an_offer_needs_a_version_and_an_address_and_no_more() {
        let least = offer(r#"{"version":"1.4.0","url":"download/7?sig=x","later":{}}"#).unwrap().unwrap();
        assert_eq!(least.version, "1.4.0");
        assert_eq!(
            least.url.as_str(),
            "https://api.example.org/nowatch/v1/firmware/download/7?sig=x",
            "an address may be relative to the question"
        );
        assert_eq!((least.size, least.sha256, least.manifest, least.notes), (None, None, None, None));
        assert!(offer("null").unwrap().is_none());
        for broken in [
            "{}",
            r#"{"version":"1"}"#,
            r#"{"url":"x"}"#,
            r#"{"version":"1","url":"x","sha256":"beef"}"#,
            r#"{"version":"1","url":"x","size":"many"}"#,
            r#"{"version":1,"url":"x"}"#,
        ] {
            assert!(matches!(offer(broken), Err(CloudError::Unexpected { .. })), "{broken}");
        }
    }

    #[test]
    fn a_channel_has_a_plain_name() {
        assert_eq!("early-access".parse(), Ok(Channel::early_access()));
        for name in ["", "Stable", "a b", "a/b", &"x".repeat(33)] {
            assert!(name.parse::<Channel>().is_err(), "{name}");
        }
    }
}
