//! `nowbridge update`: firmware to a watch, and how far that is.

mod follow;
mod text;

use std::path::PathBuf;

use super::radio::print;
use super::{daemon, exit, format, small_runtime};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Client, UpdateAnswer, UpdateRequest};

pub use text::line as update_line;

/// Which watch, and which firmware.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  nowbridge update \"left wrist\"\n  nowbridge update \"left wrist\" --file app.signed.bin --dry-run\n  \
nowbridge update status\n  nowbridge update cancel \"left wrist\"\n\n\
The daemon does it: it checks the file, fetches what the watch has measured, brings the image over, has the watch try it, and lets it keep it only when \
the watch has come back as itself, runs that version and answers. Otherwise the watch goes back to what it had. An update goes on after a broken link, \
a restart of the daemon or of this computer; Ctrl-C ends only this view of it. A battery below 30 % makes it wait.\n\n\
Exit codes: 0 the watch runs it and keeps it, 1 the watch went back or did not take it, 65 the file is damaged or the wrong one, 69 the watch or the daemon \
cannot be reached, 75 another update or errand is under way, or it was called off, 77 the file is not trusted, or the watch had it before."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// The watch: its name or its address
    #[arg(required = true)]
    watch: Option<String>,

    /// This version; without it, what the cloud offers
    #[arg(long, value_name = "VERSION", conflicts_with = "file")]
    to: Option<String>,

    /// This file, such as zephyr.signed.bin
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Only look at the file and the watch, and print every check
    #[arg(long)]
    dry_run: bool,

    /// Although the watch has tried it and not kept it
    #[arg(long)]
    again: bool,

    /// Although it is older than what the watch runs
    #[arg(long)]
    allow_downgrade: bool,

    /// Leave it to the daemon at once
    #[arg(long)]
    detach: bool,

    /// Print JSON, one object a line; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// What else there is to do about updates.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tell how far updates are, and how the latest ended
    Status(StatusArgs),
    /// Call an update off that has not restarted the watch yet
    Cancel(CancelArgs),
}

/// Of which watch.
#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// Only of this watch: its name or its address
    watch: Option<String>,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// Whose update.
#[derive(Debug, clap::Args)]
struct CancelArgs {
    /// The watch: its name or its address
    watch: String,
}

/// Does what the arguments say.
pub fn update(config: &Config, args: &Args) -> anyhow::Result<u8> {
    small_runtime()?.block_on(async {
        let client = daemon(config).await?;
        match &args.command {
            Some(Command::Status(StatusArgs { watch, json })) => {
                let updates = client.updates(watch.as_deref()).await?;
                print(&if *json {
                    serde_json::to_string(&updates)?
                } else {
                    text::list(&updates, Clock::System.now())
                })?;
                Ok(exit::OK)
            }
            Some(Command::Cancel(CancelArgs { watch })) => {
                let row = client.cancel_update(watch).await?;
                print(&format!(
                    "Called off: {} is not updated to {}.",
                    format::safe(watch),
                    format::safe(&row.to)
                ))?;
                Ok(exit::OK)
            }
            None => begin(config, &client, args).await,
        }
    })
}

async fn begin(config: &Config, client: &Client, args: &Args) -> anyhow::Result<u8> {
    let file = match &args.file {
        Some(path) => {
            let bytes = super::firmware::read(path, config.firmware.max_size)?;
            Some(client.put_firmware(bytes.into()).await?.sha256)
        }
        None => None,
    };
    let request = UpdateRequest {
        // Clap sees to it that there is one.
        watch: args.watch.clone().unwrap_or_default(),
        file,
        version: args.to.clone(),
        again: args.again,
        allow_downgrade: args.allow_downgrade,
        dry_run: args.dry_run,
    };
    let answer = client.update(&request).await?;
    if args.json {
        print(&serde_json::to_string(&answer)?)?;
    }
    let Some(key) = answer.update else { return dry_run(args, &answer) };
    if !args.json {
        print(&text::asked(&answer))?;
    }
    if args.detach {
        return Ok(exit::OK);
    }
    follow::follow(client, &request.watch, key, args.json).await
}

fn dry_run(args: &Args, answer: &UpdateAnswer) -> anyhow::Result<u8> {
    if !args.json {
        print(&text::dry_run(answer))?;
    }
    let failed = answer.checks.iter().any(|check| check.verdict == "failed");
    Ok(match (&answer.gate, failed) {
        (_, true) => exit::DATA,
        (Some(_), false) => exit::TRY_LATER,
        (None, false) => exit::OK,
    })
}
