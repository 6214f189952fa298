//! One TOML file, validated; unknown keys are errors.
//!
//! Defaults are overlaid by the file and the file by a few `NOWBRIDGE_*` variables. Everything that can be judged without
//! a network or a radio is judged here, once, and each complaint names the file, the line, the key and the way out. Secrets
//! are never in the file: it names where they lie, and [`SecretSource::read`] fetches them when they are needed.

mod adapter;
mod build;
mod duration;
mod env;
mod error;
mod fetch;
mod firmware;
mod keys;
mod parse;
mod paths;
mod quiet;
mod secret;
mod sink;
mod size;
mod tables;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use adapter::{AdapterChoice, ControllerAddress, InvalidAddress};
pub use duration::parse as parse_duration;
pub use env::Env;
pub use error::{ConfigError, Hint, Location, SecretError};
pub use fetch::{Automatic, FirmwareConfig, is_channel};
pub use firmware::{FirmwareTrustConfig, Require};
pub use paths::{Paths, SYSTEM_CONTROL_SOCKET};
pub use quiet::Quiet;
pub use reqwest::Url;
pub use secret::SecretSource;
pub use sink::{
    FolderConfig, FolderFormat, InfluxConfig, MqttConfig, SinkConfig, SinkStart, SinksConfig, is_loopback,
};

use crate::wire::PeerAddress;

/// Everything a user can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file this came from; `None` if there is none and the defaults hold.
    pub file: Option<PathBuf>,
    /// Where things lie on disk.
    pub paths: Paths,
    /// The NOWATCH API, or a private cloud that speaks it.
    pub cloud: CloudConfig,
    /// The control socket; its path is [`Paths::control_socket`].
    pub control: ControlConfig,
    /// How watches are reached.
    pub radio: RadioConfig,
    /// What may be asked of the adapter.
    pub links: LinksConfig,
    /// The watches to look after; no two share an address or a name.
    pub watches: Vec<WatchConfig>,
    /// How much room the outbox may take.
    pub outbox: OutboxConfig,
    /// How measurements are sent.
    pub upload: UploadConfig,
    /// Where they go besides the cloud.
    pub sinks: SinksConfig,
    /// How far firmware has to be trusted.
    pub firmware_trust: FirmwareTrustConfig,
    /// What may be fetched for the watches.
    pub firmware: FirmwareConfig,
    /// What the log holds.
    pub log: LogConfig,
}

/// Where measurements go and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudConfig {
    /// The API's address. `None`: nothing leaves this machine.
    pub base_url: Option<Url>,
    /// The account to log in as.
    pub email: Option<String>,
    /// Where that account's password lies; only ever set together with `email`.
    pub password: Option<SecretSource>,
    /// Where the API's `x-auth-token` lies.
    pub x_auth_token: Option<SecretSource>,
    /// Whether to upload at all.
    pub upload: bool,
}

impl CloudConfig {
    /// Whether measurements may leave this machine: there is somewhere to send them, and nobody turned it off.
    pub const fn uploads(&self) -> bool {
        self.upload && self.base_url.is_some()
    }
}

/// Who may talk to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlConfig {
    /// Whether the daemon's group may, too.
    pub group_access: bool,
}

impl ControlConfig {
    /// The mode of the control socket: 0600, or 0660 with group access.
    pub const fn socket_mode(self) -> u32 {
        if self.group_access { 0o660 } else { 0o600 }
    }
}

/// How watches are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadioConfig {
    /// Not at all: only what is in the outbox already is uploaded.
    Off,
    /// Over a virtual air, by simulated watches.
    Simulated {
        /// The socket of the virtual air.
        air: PathBuf,
    },
    /// Over Bluetooth, by way of BlueZ.
    Bluez {
        /// Which adapter.
        adapter: AdapterChoice,
    },
}

/// What may be asked of the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinksConfig {
    /// Links at a time; watches take turns if they are more.
    pub most: usize,
    /// Whether the adapter may be switched off and on if nothing else gets it going again. Others who use it lose their links.
    pub power_cycle: bool,
}

/// One watch to look after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// Where to connect.
    pub address: PeerAddress,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Whether to hold the connection.
    pub mode: WatchMode,
    /// How often to pull what the watch has recorded.
    pub sync_every: Duration,
    /// Hours of the day in which it is left alone.
    pub quiet: Option<Quiet>,
}

impl WatchConfig {
    /// A watch that is not in the file: looked after as one that has nothing but an address there.
    pub fn new(address: PeerAddress, name: Option<String>) -> Self {
        Self {
            address,
            name,
            mode: WatchMode::default(),
            sync_every: tables::every_15_minutes(),
            quiet: None,
        }
    }

    /// The name if it has one, else the address.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.address.0)
    }
}

/// What to do with a connection once a watch is synchronised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// Hold it and take live measurements.
    #[default]
    Stay,
    /// Connect, synchronise, let go: the watch stays free for a phone and its battery lasts.
    Release,
}

/// How much room the outbox may take, and how long it keeps what has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Bytes that the database may grow to.
    pub max_size: u64,
    /// Bytes of the disk that are left to others.
    pub keep_free: u64,
    /// How long a block is kept after it was stored, though everyone has it.
    pub keep_sent: Duration,
    /// Whether live measurements wait longer for their commit, for the sake of an SD card.
    pub wear_saver: bool,
}

impl OutboxConfig {
    /// A smaller outbox would hardly hold a day.
    pub const SMALLEST_SIZE: u64 = 16 * 1_024 * 1_024;
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            max_size: 1_024 * 1_024 * 1_024,
            keep_free: 64 * 1_024 * 1_024,
            keep_sent: Duration::from_hours(7 * 24),
            wear_saver: false,
        }
    }
}

/// How measurements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadConfig {
    /// At most this many rows in one upload.
    pub max_rows: u32,
    /// How often to ask whether the user still agrees.
    pub consent_check_every: Duration,
}

/// What the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A `tracing` filter, known to be valid.
    pub filter: String,
    /// One line of text or one of JSON.
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

impl Config {
    /// Reads `explicit`, or else the default file, and overlays the environment.
    ///
    /// Only the default file may be missing.
    pub fn load(explicit: Option<&Path>, env: &Env) -> Result<Self, ConfigError> {
        let Some(path) = explicit.map(Path::to_owned).or_else(|| env.default_file()) else {
            return build::build(None, tables::Tables::default(), env);
        };
        let path = std::path::absolute(&path).unwrap_or(path);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let source = parse::Source { path: &path, text: &text };
                build::build(Some(&source), parse::parse(&source)?, env)
            }
            Err(error) if explicit.is_none() && error.kind() == io::ErrorKind::NotFound => {
                build::build(None, tables::Tables::default(), env)
            }
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }
}
