//! `nowbridge hold` and `nowbridge release`: lending a watch to a phone.

use std::time::Duration;

use super::print;
use crate::cli::{daemon, exit, format, small_runtime};
use crate::config::{self, Config};
use crate::control::Word;

/// Which watch, and for how long.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  nowbridge hold \"left wrist\" --for 2h\n  nowbridge hold E7:12:0A:00:00:01\n\n\
A hold lasts until its time is up or `nowbridge release`, also across restarts of the daemon."
)]
pub struct Args {
    /// Its name or address
    watch: String,

    /// Take it back after this time: 90s, 15m, 2h, 1d
    #[arg(long = "for", value_name = "TIME", value_parser = config::parse_duration)]
    time: Option<Duration>,
}

/// Which watch.
#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// Its name or address
    watch: String,
}

/// Has the daemon keep off.
pub fn hold(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let (watch, _) = say(config, &Word::Hold { watch: args.watch.clone(), time: args.time })?;
    let end = format!("`nowbridge release {}`", format::argument(&watch));
    let time = args.time.map(|time| format!("for {}, or ", format::span(time.as_secs())));
    print(&format!("Keeping off {watch} {}until {end}.", time.unwrap_or_default()))?;
    Ok(exit::OK)
}

/// Has the daemon take it back.
pub fn release(config: &Config, args: &ReleaseArgs) -> anyhow::Result<u8> {
    let (watch, changed) = say(config, &Word::Release { watch: args.watch.clone() })?;
    if changed {
        print(&format!("Taking {watch} back; `nowbridge status --watch` follows it."))?;
    } else {
        print(&format!("{watch} is not on hold."))?;
    }
    Ok(exit::OK)
}

fn say(config: &Config, word: &Word) -> anyhow::Result<(String, bool)> {
    small_runtime()?.block_on(async { Ok(daemon(config).await?.say(word).await?) })
}
