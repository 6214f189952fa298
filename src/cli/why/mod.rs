//! `nowbridge why`: what is missing, what is late, and why, in sentences.

mod sentences;
mod text;

use jiff::tz::TimeZone;

use super::place::{self, Place};
use super::radio::print;
use super::{exit, instant, small_runtime};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::WhyAnswer;
use crate::measurement::UtcMicros;

pub use sentences::stream_name;

/// About which time, and which watch.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  nowbridge why\n  nowbridge why --since 03:12 \"left wrist\"\n  nowbridge why --since 7d --json\n\n\
Times are those of this computer's clock and zone. What waits, is missing or was refused is named with a letter and a number; `nowbridge outbox \
show d12` tells more. docs/ledger.md explains every word."
)]
pub struct Args {
    /// Only this watch: its name, address or device id
    watch: Option<String>,

    /// From then on: 03:12 (the last time it was), 2h (ago), 2026-11-22, 2026-11-22T03:12
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    since: String,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// A `--since` that is none.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInstant(String);

/// Asks and prints.
pub fn why(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let zone = TimeZone::system();
    let since = instant::parse(&args.since, Clock::System.now(), &zone).map_err(BadInstant)?;
    let answer = small_runtime()?.block_on(ask(config, since, args.watch.as_deref()))?;
    print(&if args.json { serde_json::to_string(&answer)? } else { text::text(&answer, &zone) })?;
    Ok(exit::OK)
}

async fn ask(config: &Config, since: UtcMicros, watch: Option<&str>) -> anyhow::Result<WhyAnswer> {
    match Place::find(config).await? {
        Place::Daemon(client) => Ok(client.why(since, watch).await?),
        Place::Here(outbox) => {
            let known = place::known(config, &outbox).await?;
            let sinks = outbox.sink_names().await?;
            let answer = WhyAnswer::gather(&outbox, &known, since, watch, sinks).await;
            let answer = answer.map_err(|error| error.complaint())?;
            outbox.close().await?;
            Ok(answer)
        }
    }
}
