//! From tables and environment to a [`Config`]: what can only be judged with more than one value in view.

use std::path::{Path, PathBuf};

use toml::Spanned;

use super::adapter::{AdapterChoice, InvalidAddress};
use super::env::{self, Env};
use super::error::ConfigError;
use super::firmware;
use super::parse::Source;
use super::paths::{self, Paths};
use super::secret::SecretSource;
use super::sink;
use super::tables::{self, CloudTable, RadioTable, Tables, WatchTable};
use super::{
    CloudConfig, Config, ControlConfig, FirmwareConfig, LinksConfig, LogConfig, OutboxConfig, RadioConfig,
    UploadConfig, WatchConfig,
};
use crate::wire::PeerAddress;

/// `source` is `None` where there is no file; the tables then hold the defaults.
pub(super) fn build(source: Option<&Source>, tables: Tables, env: &Env) -> Result<Config, ConfigError> {
    let file =
        File { source, directory: source.and_then(|source| source.path.parent()).unwrap_or(Path::new("")) };
    let socket = tables.control.socket.map(|path| file.resolve(&path));
    let paths = Paths::resolve(env, tables.state.dir.map(|path| file.resolve(&path)), socket)?;
    let radio = radio(&file, &tables.radio)?;
    Ok(Config {
        file: source.map(|source| source.path.to_owned()),
        paths,
        cloud: cloud(&file, tables.cloud, env)?,
        control: ControlConfig { group_access: tables.control.group_access },
        watches: watches(&file, tables.watch, &radio)?,
        radio,
        links: LinksConfig { most: tables.radio.max_links, power_cycle: tables.radio.power_cycle },
        outbox: OutboxConfig {
            max_size: tables.outbox.max_size,
            keep_free: tables.outbox.keep_free,
            keep_sent: tables.outbox.keep_sent,
            wear_saver: tables.outbox.wear_saver,
        },
        upload: UploadConfig {
            max_rows: tables.upload.max_rows,
            consent_check_every: tables.upload.consent_check_every,
        },
        sinks: sink::build::sinks(&file, tables.sink, env)?,
        firmware_trust: firmware::trust(&file, &tables.firmware)?,
        firmware: FirmwareConfig::from(&tables.firmware),
        log: LogConfig {
            filter: overlay(env, env::LOG, tables::parse_filter)?.unwrap_or(tables.log.filter),
            format: tables.log.format,
        },
    })
}

/// The file being judged.
pub(super) struct File<'a> {
    source: Option<&'a Source<'a>>,
    pub directory: &'a Path,
}

impl File<'_> {
    /// A path in the file is relative to the file, since a service's working directory says nothing to its user.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    pub fn wrong<T>(&self, key: &str, value: &Spanned<T>, problem: impl Into<String>) -> ConfigError {
        let at = self.source.map(|source| source.at(value.span().start));
        let at = at.expect("a value with a span was read from a file");
        ConfigError::Value { at, key: key.to_owned(), problem: problem.into() }
    }
}

fn overlay<T>(
    env: &Env,
    variable: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let text = env.text(variable)?;
    text.map(parse).transpose().map_err(|problem| ConfigError::Variable { variable, problem })
}

fn cloud(file: &File, table: CloudTable, env: &Env) -> Result<CloudConfig, ConfigError> {
    let secret = |key: &'static str, value: Option<&Spanned<String>>| {
        let parsed = value.map(|value| {
            SecretSource::parse(key, value.get_ref(), file.directory, env)
                .map_err(|problem| file.wrong(key, value, problem))
        });
        parsed.transpose()
    };
    let password = secret("cloud.password_file", table.password_file.as_ref())?;
    let x_auth_token = secret("cloud.x_auth_token_file", table.x_auth_token_file.as_ref())?;
    if let (Some(value), None) = (&table.password_file, &table.email) {
        return Err(file.wrong(
            "cloud.password_file",
            value,
            "whose password it is, is missing; set email, too",
        ));
    }
    Ok(CloudConfig {
        base_url: overlay(env, env::BASE_URL, tables::parse_base_url)?.or(table.base_url),
        email: table.email,
        password,
        x_auth_token,
        upload: table.upload,
    })
}

/// What `radio.kind` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RadioKind {
    Off,
    Bluez,
    Simulated,
}

fn radio_kind(file: &File, kind: &Spanned<String>) -> Result<RadioKind, ConfigError> {
    match kind.get_ref().as_str() {
        "off" => Ok(RadioKind::Off),
        "bluez" => Ok(RadioKind::Bluez),
        "simulated" => Ok(RadioKind::Simulated),
        "bluetooth" | "ble" | "bluetoothd" => {
            Err(file.wrong("radio.kind", kind, "did you mean \"bluez\", the Bluetooth service of Linux?"))
        }
        other => Err(file.wrong(
            "radio.kind",
            kind,
            format!("\"{other}\" is no kind of radio; it may be \"off\", \"bluez\" or \"simulated\""),
        )),
    }
}

fn radio(file: &File, table: &RadioTable) -> Result<RadioConfig, ConfigError> {
    let kind = table.kind.as_ref().map_or(Ok(RadioKind::Off), |kind| radio_kind(file, kind))?;
    if let Some(air) = table.air.as_ref().filter(|_| kind != RadioKind::Simulated) {
        let problem = "only a simulated radio has an air; set kind = \"simulated\", too";
        return Err(file.wrong("radio.air", air, problem));
    }
    if let Some(adapter) = table.adapter.as_ref().filter(|_| kind != RadioKind::Bluez) {
        let problem = "only a real radio has an adapter; set kind = \"bluez\", too";
        return Err(file.wrong("radio.adapter", adapter, problem));
    }
    match (kind, &table.kind, &table.air) {
        (RadioKind::Bluez, ..) => Ok(RadioConfig::Bluez { adapter: adapter(file, table)? }),
        (RadioKind::Simulated, _, Some(air)) => {
            let air = file.resolve(air.get_ref());
            paths::check_socket(&air, "[radio] air")?;
            Ok(RadioConfig::Simulated { air })
        }
        (RadioKind::Simulated, Some(kind), None) => {
            Err(file.wrong("radio.kind", kind, "a simulated radio needs the socket of its air; set air, too"))
        }
        _ => Ok(RadioConfig::Off),
    }
}

fn adapter(file: &File, table: &RadioTable) -> Result<AdapterChoice, ConfigError> {
    let Some(adapter) = &table.adapter else { return Ok(AdapterChoice::Any) };
    adapter.get_ref().parse().map(AdapterChoice::Controller).map_err(|error: InvalidAddress| {
        let problem = format!("{error}; `bluetoothctl list` shows those of this computer");
        file.wrong("radio.adapter", adapter, problem)
    })
}

fn watches(
    file: &File,
    tables: Vec<WatchTable>,
    radio: &RadioConfig,
) -> Result<Vec<WatchConfig>, ConfigError> {
    let mut watches: Vec<WatchConfig> = Vec::with_capacity(tables.len());
    for table in tables {
        let address = address(file, &table.address, radio)?;
        if watches.iter().any(|other| other.address == address) {
            return Err(file.wrong(
                "watch.address",
                &table.address,
                "another [[watch]] has this address, too",
            ));
        }
        if let Some(name) = &table.name {
            if name.get_ref().trim().is_empty() {
                return Err(file.wrong("watch.name", name, "it is empty; leave the key out instead"));
            }
            if watches.iter().any(|other| other.name.as_ref() == Some(name.get_ref())) {
                return Err(file.wrong("watch.name", name, "another [[watch]] has this name, too"));
            }
        }
        watches.push(WatchConfig {
            address,
            name: table.name.map(Spanned::into_inner),
            mode: table.mode,
            sync_every: table.sync_every,
            quiet: table.quiet,
        });
    }
    Ok(watches)
}

fn address(file: &File, written: &Spanned<String>, radio: &RadioConfig) -> Result<PeerAddress, ConfigError> {
    let text = written.get_ref().trim();
    let problem = match PeerAddress::parse(text) {
        Some(address) => return Ok(address),
        None if text.is_empty() => {
            "it is empty; write the address as `nowbridge scan` shows it, \"E7:12:0A:00:00:01\"".to_owned()
        }
        // A virtual air may have watches at any address.
        None if !matches!(radio, RadioConfig::Bluez { .. }) => return Ok(PeerAddress(text.to_owned())),
        None => format!(
            "\"{text}\" is not a Bluetooth address; one looks like \"E7:12:0A:00:00:01\", and `nowbridge scan` shows those around"
        ),
    };
    Err(file.wrong("watch.address", written, problem))
}
