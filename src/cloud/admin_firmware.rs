//! The `admin-firmware` tag: what the cloud keeps for watches, as its administrator sees it.
//!
//! **Our assumption**, but for the login (`POST /v2/auth/login/admin` is documented, its body is not):
//!
//! ```text
//! POST   <admin>       multipart: file, product, channel; manifest, signature, version, hardware, notes if wanted
//! GET    <admin>       a list of what is kept
//! DELETE <admin>/<id>
//! ```

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::auth::{Auth, bearer};
use super::call::{Call, FileHead, FormPart, Payload, Reply, setup};
use super::transport::Transport;
use super::{Channel, ClientConfig, CloudError, Credentials};
use crate::clock::Clock;
use crate::wire::Sha256;

/// An administrator who is logged in. The login is held in memory and for as long as one command takes.
#[derive(Debug)]
pub struct FirmwareAdmin {
    transport: Transport,
    bearer: HeaderValue,
    path: String,
}

/// Firmware to offer to watches.
#[derive(Clone, Debug)]
pub struct NewFirmware {
    /// The file.
    pub file: Bytes,
    /// Its manifest, byte for byte as it was signed.
    pub manifest: Option<Bytes>,
    /// A minisign signature: of the manifest if there is one, else of the file.
    pub signature: Option<Bytes>,
    /// What kind of watch it is for.
    pub product: String,
    /// Which revisions of it; none: all.
    pub hardware: Vec<String>,
    /// Its version; without it, the one in the header of an `MCUboot` image.
    pub version: Option<String>,
    /// Who gets it.
    pub channel: Channel,
    /// What is new.
    pub notes: Option<String>,
}

/// Firmware that the cloud keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptFirmware {
    /// The cloud's number for it.
    pub id: u64,
    /// What kind of watch it is for.
    pub product: String,
    /// Which revisions of it; none: all.
    #[serde(default)]
    pub hardware: Vec<String>,
    /// Its version.
    pub version: String,
    /// Who gets it.
    pub channel: String,
    /// Bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Sha256,
    /// Whether there is a manifest.
    #[serde(default)]
    pub manifest: bool,
    /// Whether there is a signature.
    #[serde(default)]
    pub signature: bool,
}

impl FirmwareAdmin {
    /// Logs in as an administrator.
    pub async fn login(config: ClientConfig, who: &Credentials, clock: Clock) -> Result<Self, CloudError> {
        let path = config.firmware_routes.admin.clone();
        let transport = Transport::new(config.base_url, config.timeouts, clock)?;
        let auth = Auth::new(transport.clone(), config.x_auth_token.as_ref())?;
        let tokens = auth.login_admin(who, clock.now()).await?;
        let bearer = bearer(&tokens.access)
            .ok_or_else(|| setup("the access token cannot be sent", "characters that no header holds"))?;
        Ok(Self { transport, bearer, path })
    }

    /// Gives the cloud firmware to offer.
    pub async fn add(&self, new: NewFirmware) -> Result<KeptFirmware, CloudError> {
        let call = Call::post(self.path.clone(), Payload::Form(parts(new)));
        self.send(&call).await?.json()
    }

    /// All that the cloud keeps.
    pub async fn list(&self) -> Result<Vec<KeptFirmware>, CloudError> {
        self.send(&Call::get(self.path.clone())).await?.json()
    }

    /// Has the cloud offer this no more.
    pub async fn remove(&self, id: u64) -> Result<(), CloudError> {
        let reply = self.send(&Call::new(Method::DELETE, format!("{}/{id}", self.path))).await?;
        if reply.body.trim_ascii().is_empty() { Ok(()) } else { reply.json::<IgnoredAny>().map(drop) }
    }

    async fn send(&self, call: &Call) -> Result<Reply, CloudError> {
        self.transport.send(call, Some(&self.bearer)).await
    }
}

fn parts(new: NewFirmware) -> Vec<FormPart> {
    let file = |name: &'static str, content| {
        let head = FileHead { name: format!("{name}.bin"), mime: "application/octet-stream" };
        FormPart { name, file: Some(head), content }
    };
    let text = |name, content: String| FormPart { name, file: None, content: Bytes::from(content) };
    let mut parts = vec![text("product", new.product), text("channel", new.channel.to_string())];
    parts.extend(new.hardware.into_iter().map(|revision| text("hardware", revision)));
    parts.extend(new.version.map(|version| text("version", version)));
    parts.extend(new.notes.map(|notes| text("notes", notes)));
    parts.extend(new.manifest.map(|manifest| file("manifest", manifest)));
    parts.extend(new.signature.map(|signature| file("signature", signature)));
    parts.push(file("file", new.file));
    parts
}
