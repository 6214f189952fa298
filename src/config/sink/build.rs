//! From the tables of the sinks to what they mean: what can only be judged with more than one value in view.

use reqwest::Url;
use toml::Spanned;

use super::tables::{FolderTable, InfluxTable, MqttTable, SinkTables};
use super::{FolderConfig, InfluxConfig, MqttConfig, SinkConfig, SinksConfig, is_loopback};
use crate::config::build::File;
use crate::config::env::Env;
use crate::config::{ConfigError, SecretSource};

pub fn sinks(file: &File, tables: SinkTables, env: &Env) -> Result<SinksConfig, ConfigError> {
    Ok(SinksConfig {
        folder: tables.folder.as_ref().map(|table| folder(file, table)).transpose()?,
        influxdb: tables.influxdb.map(|table| influxdb(file, &table, env)).transpose()?,
        mqtt: tables.mqtt.map(|table| mqtt(file, table, env)).transpose()?,
    })
}

fn folder(file: &File, table: &FolderTable) -> Result<FolderConfig, ConfigError> {
    if table.path.get_ref().as_os_str().is_empty() {
        return Err(file.wrong("sink.folder.path", &table.path, "it is empty; name a folder"));
    }
    Ok(FolderConfig {
        path: file.resolve(table.path.get_ref()),
        format: table.format,
        every: table.every,
        sink: SinkConfig { start: table.start, paused: table.paused },
    })
}

fn influxdb(file: &File, table: &InfluxTable, env: &Env) -> Result<InfluxConfig, ConfigError> {
    let base = address(file, "sink.influxdb.url", &table.url, ("http", "https"))?;
    let token = secret(file, "sink.influxdb.token_file", table.token_file.as_ref(), env)?;
    let write = match (&table.path, &table.org, &table.bucket) {
        (None, Some(org), Some(bucket)) => {
            let mut url = below(&base, "/api/v2/write");
            url.query_pairs_mut()
                .append_pair("org", org.get_ref())
                .append_pair("bucket", bucket.get_ref())
                .append_pair("precision", "s");
            url
        }
        (Some(path), None, None) => with_path(file, &base, path)?,
        (Some(_), Some(superfluous), _) | (Some(_), None, Some(superfluous)) => {
            let problem = "path says it all; leave out org and bucket, or path";
            return Err(file.wrong("sink.influxdb.org", superfluous, problem));
        }
        (None, ..) => {
            let problem = "where to write there is missing; set org and bucket, or path = \"/write?db=NAME&precision=s\"";
            return Err(file.wrong("sink.influxdb.url", &table.url, problem));
        }
    };
    Ok(InfluxConfig { write, token, sink: SinkConfig { start: table.start, paused: table.paused } })
}

/// What is behind the address stands for itself; only seconds are ever written.
fn with_path(file: &File, base: &Url, path: &Spanned<String>) -> Result<Url, ConfigError> {
    let text = path.get_ref();
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    if !before.starts_with('/') || text.contains('#') {
        let problem = format!("\"{text}\" is no path; write it as \"/write?db=NAME&precision=s\"");
        return Err(file.wrong("sink.influxdb.path", path, problem));
    }
    if !query.split('&').any(|pair| matches!(pair, "precision=s" | "precision=second")) {
        let problem = "times are written in seconds; add precision=s to its query";
        return Err(file.wrong("sink.influxdb.path", path, problem));
    }
    let mut url = below(base, before);
    url.set_query(Some(query));
    Ok(url)
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

fn mqtt(file: &File, table: MqttTable, env: &Env) -> Result<MqttConfig, ConfigError> {
    let broker = address(file, "sink.mqtt.url", &table.url, ("mqtt", "mqtts"))?;
    let password = secret(file, "sink.mqtt.password_file", table.password_file.as_ref(), env)?;
    if let (Some(value), None) = (&table.password_file, &table.username) {
        let problem = "whose password it is, is missing; set username, too";
        return Err(file.wrong("sink.mqtt.password_file", value, problem));
    }
    let topic = topic(file, "sink.mqtt.topic", table.topic.as_ref(), "nowbridge")?;
    let discovery = topic_or_none(file, table.discovery.as_ref())?;
    let sink = SinkConfig { start: table.start, paused: table.paused };
    Ok(MqttConfig { broker, username: table.username, password, topic, discovery, sink })
}

fn topic_or_none(file: &File, value: Option<&Spanned<String>>) -> Result<Option<String>, ConfigError> {
    if value.is_some_and(|value| value.get_ref().is_empty()) {
        return Ok(None);
    }
    topic(file, "sink.mqtt.discovery", value, "homeassistant").map(Some)
}

fn topic(
    file: &File,
    key: &str,
    value: Option<&Spanned<String>>,
    default: &str,
) -> Result<String, ConfigError> {
    let Some(value) = value else { return Ok(default.to_owned()) };
    let text = value.get_ref();
    let is_level = |level: &str| !level.is_empty() && !level.contains(['+', '#', '\0']);
    if text.starts_with('$') || !text.split('/').all(is_level) {
        let problem = format!("\"{text}\" is no beginning of a topic; write it as \"{default}\"");
        return Err(file.wrong(key, value, problem));
    }
    Ok(text.clone())
}

fn secret(
    file: &File,
    key: &'static str,
    value: Option<&Spanned<String>>,
    env: &Env,
) -> Result<Option<SecretSource>, ConfigError> {
    let parsed = value.map(|value| {
        SecretSource::parse(key, value.get_ref(), file.directory, env)
            .map_err(|problem| file.wrong(key, value, problem))
    });
    parsed.transpose()
}

/// An address: encrypted, or on this computer. What is measured of a body never crosses a network in the clear.
fn address(
    file: &File,
    key: &str,
    value: &Spanned<String>,
    (plain, secure): (&str, &str),
) -> Result<Url, ConfigError> {
    let text = value.get_ref();
    let problem = match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "it carries a user name or a password, which would show up in logs; leave them out, and name a file with the secret"
                .to_owned()
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            format!("\"{text}\" has a query or a fragment; leave it out")
        }
        Ok(url) if !url.has_host() || (url.scheme() != plain && url.scheme() != secure) => {
            format!("\"{text}\" is no address; write it as \"{secure}://host.example.org\"")
        }
        Ok(url) if url.scheme() == plain && !is_loopback(&url) => format!(
            "{plain}:// would send health data in the clear; write {secure}:// ({plain}:// is for this computer only, such as {plain}://127.0.0.1)"
        ),
        Ok(url) => return Ok(url),
        Err(_) => format!("\"{text}\" is no address; write it as \"{secure}://host.example.org\""),
    };
    Err(file.wrong(key, value, problem))
}
