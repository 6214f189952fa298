//! The file as serde sees it: one struct a table, every key optional, each value checked on its own.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::de::{Deserialize, Deserializer, Error};
use toml::Spanned;
use tracing_subscriber::EnvFilter;

use super::fetch::FirmwareTable;
use super::sink::tables::SinkTables;
use super::{LogFormat, OutboxConfig, Quiet, WatchMode};
use super::{duration, quiet, size};

/// The API takes a file per upload; beyond this many rows one is too large to hold in memory on a small board.
const MOST_ROWS: u32 = 500_000;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tables {
    pub cloud: CloudTable,
    pub state: StateTable,
    pub control: ControlTable,
    pub radio: RadioTable,
    pub watch: Vec<WatchTable>,
    pub outbox: OutboxTable,
    pub upload: UploadTable,
    pub sink: SinkTables,
    pub firmware: FirmwareTable,
    pub log: LogTable,
}

#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CloudTable {
    #[serde(deserialize_with = "base_url")]
    pub base_url: Option<Url>,
    #[serde(deserialize_with = "some_text")]
    pub email: Option<String>,
    pub password_file: Option<Spanned<String>>,
    pub x_auth_token_file: Option<Spanned<String>>,
    pub upload: bool,
}

impl Default for CloudTable {
    fn default() -> Self {
        Self { base_url: None, email: None, password_file: None, x_auth_token_file: None, upload: true }
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StateTable {
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ControlTable {
    pub socket: Option<PathBuf>,
    pub group_access: bool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RadioTable {
    pub kind: Option<Spanned<String>>,
    pub adapter: Option<Spanned<String>>,
    pub air: Option<Spanned<PathBuf>>,
    #[serde(deserialize_with = "links")]
    pub max_links: usize,
    pub power_cycle: bool,
}

impl Default for RadioTable {
    fn default() -> Self {
        Self { kind: None, adapter: None, air: None, max_links: 4, power_cycle: false }
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchTable {
    pub address: Spanned<String>,
    pub name: Option<Spanned<String>>,
    #[serde(default)]
    pub mode: WatchMode,
    #[serde(default = "every_15_minutes", deserialize_with = "duration::deserialize")]
    pub sync_every: Duration,
    #[serde(default, deserialize_with = "quiet::deserialize")]
    pub quiet: Option<Quiet>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OutboxTable {
    #[serde(deserialize_with = "size::deserialize_cap")]
    pub max_size: u64,
    #[serde(deserialize_with = "size::deserialize")]
    pub keep_free: u64,
    #[serde(deserialize_with = "duration::deserialize")]
    pub keep_sent: Duration,
    pub wear_saver: bool,
}

impl Default for OutboxTable {
    fn default() -> Self {
        let OutboxConfig { max_size, keep_free, keep_sent, wear_saver } = OutboxConfig::default();
        Self { max_size, keep_free, keep_sent, wear_saver }
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UploadTable {
    #[serde(deserialize_with = "rows")]
    pub max_rows: u32,
    #[serde(deserialize_with = "duration::deserialize")]
    pub consent_check_every: Duration,
}

impl Default for UploadTable {
    fn default() -> Self {
        Self { max_rows: 50_000, consent_check_every: Duration::from_hours(1) }
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogTable {
    #[serde(deserialize_with = "filter")]
    pub filter: String,
    pub format: LogFormat,
}

impl Default for LogTable {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Controllers carry about ten links at most, cheap ones fewer.
const MOST_LINKS: i64 = 16;

/// An API address: a URL that paths can be added to. Whether plain http is safe is the cloud room's business.
pub(super) fn parse_base_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(
            "it carries a user name or a password, which would show up in logs; set email and password_file"
                .into(),
        ),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            Err(format!("\"{text}\" has a query or a fragment; leave out what follows the path"))
        }
        Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err(format!("\"{text}\" is not a web address; write it as \"https://api.example.org\"")),
    }
}

/// A log filter that `tracing` understands.
pub(super) fn parse_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "\"{text}\" is not a log filter ({error}); write \"debug\" or \"info,nowbridge::cloud=debug\""
        )),
    }
}

fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    checked(deserializer, parse_base_url).map(Some)
}

fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, parse_filter)
}

fn some_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let refuse_empty = |text: &str| match text.trim() {
        "" => Err("it is empty; leave the key out instead"),
        text => Ok(text.to_owned()),
    };
    checked(deserializer, refuse_empty).map(Some)
}

fn checked<'de, D, T, E>(deserializer: D, check: impl FnOnce(&str) -> Result<T, E>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: Display,
{
    check(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match i64::deserialize(deserializer)? {
        rows if (1..=i64::from(MOST_ROWS)).contains(&rows) => Ok(rows as u32),
        rows => Err(D::Error::custom(format!("{rows} is out of range; it may be 1 to {MOST_ROWS}"))),
    }
}

fn links<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match i64::deserialize(deserializer)? {
        links if (1..=MOST_LINKS).contains(&links) => Ok(links as usize),
        links => Err(D::Error::custom(format!("{links} is out of range; it may be 1 to {MOST_LINKS}"))),
    }
}

pub(super) const fn every_15_minutes() -> Duration {
    Duration::from_mins(15)
}
