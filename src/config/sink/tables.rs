//! The tables of the sinks, as serde sees them.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use toml::Spanned;

use super::{FolderFormat, SinkStart};
use crate::config::duration;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkTables {
    pub folder: Option<FolderTable>,
    pub influxdb: Option<InfluxTable>,
    pub mqtt: Option<MqttTable>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderTable {
    pub path: Spanned<PathBuf>,
    #[serde(default)]
    pub format: FolderFormat,
    #[serde(default = "every_5_minutes", deserialize_with = "duration::deserialize")]
    pub every: Duration,
    #[serde(default, deserialize_with = "start")]
    pub start: SinkStart,
    #[serde(default)]
    pub paused: bool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InfluxTable {
    pub url: Spanned<String>,
    pub org: Option<Spanned<String>>,
    pub bucket: Option<Spanned<String>>,
    pub token_file: Option<Spanned<String>>,
    pub path: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "start")]
    pub start: SinkStart,
    #[serde(default)]
    pub paused: bool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttTable {
    pub url: Spanned<String>,
    pub username: Option<String>,
    pub password_file: Option<Spanned<String>>,
    pub topic: Option<Spanned<String>>,
    pub discovery: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "start")]
    pub start: SinkStart,
    #[serde(default)]
    pub paused: bool,
}

const fn every_5_minutes() -> Duration {
    Duration::from_mins(5)
}

fn start<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SinkStart, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "all" => Ok(SinkStart::All),
        "now" => Ok(SinkStart::Now),
        back => duration::parse(back).map(SinkStart::Back).map_err(|_| {
            D::Error::custom(format!("\"{text}\" is no place to start; write \"all\", \"now\" or \"7d\""))
        }),
    }
}
