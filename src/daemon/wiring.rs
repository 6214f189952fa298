//! From configuration to parts.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::cloud::{BaseUrl, Client, ClientConfig, Credentials, FirmwareRoutes};
use crate::config::{
    Config, FirmwareConfig, LinksConfig, OutboxConfig, Paths, SecretSource, WatchConfig, WatchMode,
};
use crate::daemon::DaemonError;
use crate::daemon::sinks::Sink;
use crate::firmware::Policy;
use crate::sync::{Mode, QuietHours, WatcherConfig};
use crate::upload::{self, UploaderConfig};

/// What a daemon is made of. The demo and the tests put their own together.
pub struct Wiring<C> {
    /// Where everything lies.
    pub paths: Paths,
    /// Permissions of the control socket.
    pub socket_mode: u32,
    /// The radio; without one nothing is collected.
    pub central: Option<C>,
    /// What may be asked of the radio.
    pub links: LinksConfig,
    /// The watches to look after.
    pub watches: Vec<WatcherConfig>,
    /// The cloud to deliver to; without one nothing is uploaded.
    pub cloud: Option<Cloud>,
    /// Where measurements go besides the cloud.
    pub sinks: Vec<Sink>,
    /// What may be fetched for the watches, from where, and what happens by itself.
    pub firmware: FirmwareConfig,
    /// How far it has to be trusted.
    pub firmware_policy: Policy,
    /// How much room the outbox may take.
    pub limits: OutboxConfig,
    /// Wall time.
    pub clock: Clock,
}

/// A cloud and how to deliver to it.
pub struct Cloud {
    /// The client.
    pub client: Client,
    /// The loop.
    pub uploader: UploaderConfig,
    /// How long an account's consent is taken for granted.
    pub consent_check_every: Duration,
}

impl<C> Wiring<C> {
    /// What `config` describes, on the given radio. Reads the secrets. Must be called within a tokio runtime.
    pub fn new(config: &Config, central: Option<C>, clock: Clock) -> Result<Self, DaemonError> {
        Ok(Self {
            paths: config.paths.clone(),
            socket_mode: config.control.socket_mode(),
            central,
            links: config.links,
            watches: config.watches.iter().map(watcher_config).collect(),
            cloud: cloud(config, clock)?,
            sinks: Sink::all(config, clock)?,
            firmware: config.firmware.clone(),
            firmware_policy: Policy::from(&config.firmware_trust),
            limits: config.outbox,
            clock,
        })
    }
}

/// What the watcher of such a watch is told.
pub(super) fn watcher_config(watch: &WatchConfig) -> WatcherConfig {
    WatcherConfig {
        address: watch.address.clone(),
        name: watch.name.clone(),
        mode: match watch.mode {
            WatchMode::Stay => Mode::Stay,
            WatchMode::Release => Mode::Release,
        },
        every: watch.sync_every,
        quiet: watch.quiet.map(|quiet| QuietHours::new(quiet.from, quiet.to, TimeZone::system())),
        seed: fastrand::u64(..),
    }
}

impl Cloud {
    /// The client that `config` describes, whether or not it is to upload. `None` without an address.
    pub fn client(config: &Config, clock: Clock) -> Result<Option<Client>, DaemonError> {
        let Some(url) = &config.cloud.base_url else { return Ok(None) };
        let base_url: BaseUrl = url.as_str().parse()?;
        let secret = |source: &Option<SecretSource>| source.as_ref().map(SecretSource::read).transpose();
        let password = secret(&config.cloud.password)?;
        let credentials = config.cloud.email.clone().zip(password);
        let client = ClientConfig {
            x_auth_token: secret(&config.cloud.x_auth_token)?,
            credentials: credentials.map(|(email, password)| Credentials { email, password }),
            token_file: Some(config.paths.session()),
            firmware_routes: FirmwareRoutes {
                latest: config.firmware.offer_path.clone(),
                admin: config.firmware.admin_path.clone(),
            },
            ..ClientConfig::new(base_url)
        };
        Ok(Some(Client::new(client, clock)?))
    }
}

fn cloud(config: &Config, clock: Clock) -> Result<Option<Cloud>, DaemonError> {
    if !config.cloud.uploads() {
        return Ok(None);
    }
    let client = Cloud::client(config, clock)?;
    Ok(client.map(|client| Cloud {
        uploader: UploaderConfig {
            sink: upload::nowatch(),
            max_samples: config.upload.max_rows.into(),
            takes_synthetic: client.base_url().is_loopback(),
            seed: fastrand::u64(..),
        },
        consent_check_every: config.upload.consent_check_every,
        client,
    }))
}
