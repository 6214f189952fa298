//! Where measurements go besides the cloud: `[sink.folder]`, `[sink.influxdb]` and `[sink.mqtt]`.

pub(super) mod build;
pub(super) mod tables;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::SecretSource;

/// Every sink there is besides the cloud; those that are `None` are not in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinksConfig {
    /// Files in a folder.
    pub folder: Option<FolderConfig>,
    /// InfluxDB, or whatever takes its line protocol.
    pub influxdb: Option<InfluxConfig>,
    /// An MQTT broker.
    pub mqtt: Option<MqttConfig>,
}

/// What every sink can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkConfig {
    /// How far back it begins, the first time it is seen.
    pub start: SinkStart,
    /// Whether it rests; what it has had is remembered.
    pub paused: bool,
}

/// How far back a sink begins that was not there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkStart {
    /// With everything that is stored.
    #[default]
    All,
    /// With what is stored from now on.
    Now,
    /// With what was stored since so long ago.
    Back(Duration),
}

/// Files in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderConfig {
    /// Where. It must exist: what is to be mounted there may not be.
    pub path: PathBuf,
    /// What the files look like.
    pub format: FolderFormat,
    /// How often the files are brought up to date; each time they are written anew.
    pub every: Duration,
    /// What every sink can be told.
    pub sink: SinkConfig,
}

/// What a file in the folder looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FolderFormat {
    /// A header and a row a second, as the API's uploads.
    #[default]
    Csv,
    /// JSON Lines: an object a second.
    Jsonl,
}

impl FolderFormat {
    /// As in the configuration; also what the files' names end with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// InfluxDB, or whatever takes its line protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxConfig {
    /// The address to write to, query and all.
    pub write: Url,
    /// Where the token lies.
    pub token: Option<SecretSource>,
    /// What every sink can be told.
    pub sink: SinkConfig,
}

/// An MQTT broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttConfig {
    /// `mqtts://host:port`, or `mqtt://` on this computer.
    pub broker: Url,
    /// Whom to log in as.
    pub username: Option<String>,
    /// Where that user's password lies; only ever set together with `username`.
    pub password: Option<SecretSource>,
    /// What every topic of measurements begins with.
    pub topic: String,
    /// What Home Assistant's discovery topics begin with; `None`: nothing is said to it.
    pub discovery: Option<String>,
    /// What every sink can be told.
    pub sink: SinkConfig,
}

/// Whether an address is on this very computer.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}
