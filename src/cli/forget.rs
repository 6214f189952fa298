//! `nowbridge forget`: what was collected from a watch, gone from this computer.

use super::outbox::confirm;
use super::place::{self, Place};
use super::radio::print;
use super::{exit, format, small_runtime};
use crate::config::Config;
use crate::control::{DeskError, ForgetRequest};
use crate::outbox::{ForgetOptions, Forgetting, Forgotten};

/// Whom, and how thoroughly.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[command(
    after_help = "Deletes the watch's measurements, batches, receipts, dead letters, gaps, clock comparisons, sessions and firmware updates from the outbox, and overwrites them in \
its files. What was uploaded stays in the cloud: delete it there, with DELETE /v1/measurement or in the app. How far the watch was read is remembered, so that \
what it still has does not come back, unless --and-refetch. The pairing stays: `nowbridge unpair` ends it. Exports and backups stay, too."
)]
pub struct Args {
    /// Its name, address or device id
    watch: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Also what was not sent yet: it is nowhere else
    #[arg(long)]
    even_unsent: bool,

    /// Fetch again, from the next session on, what the watch still has
    #[arg(long)]
    and_refetch: bool,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// Forgets it, with the daemon or here.
pub fn forget(config: &Config, args: &Args) -> anyhow::Result<u8> {
    small_runtime()?.block_on(async {
        let question = format!("Everything that was collected from {} is deleted here. Go on?", args.watch);
        confirm(args.yes, &question).await?;
        let Args { watch, even_unsent, and_refetch, .. } = args;
        let forgotten = match Place::find(config).await? {
            Place::Daemon(client) => {
                let (even_unsent, and_refetch) = (*even_unsent, *and_refetch);
                client.forget(&ForgetRequest { watch: watch.clone(), even_unsent, and_refetch }).await?
            }
            Place::Here(outbox) => {
                let known = place::known(config, &outbox).await?;
                let device = known.device(watch).map_err(|error| error.complaint())?;
                let options = ForgetOptions { even_unsent: *even_unsent, and_refetch: *and_refetch };
                let forgotten = match outbox.forget(device, vec![crate::upload::nowatch()], options).await? {
                    Forgetting::Done(forgotten) => forgotten,
                    Forgetting::Unsent { samples, sink } => {
                        let watch = watch.clone();
                        return Err(DeskError::Unsent { watch, samples, sink }.complaint().into());
                    }
                };
                outbox.close().await?;
                forgotten
            }
        };
        print(&if args.json { serde_json::to_string(&forgotten)? } else { text(args, &forgotten) })?;
        Ok(exit::OK)
    })
}

fn text(args: &Args, told: &Forgotten) -> String {
    let counts = [
        (told.blocks, "blocks"),
        (told.batches, "batches"),
        (told.dead_letters, "dead letters"),
        (told.gaps, "gaps"),
        (told.sessions, "sessions"),
        (told.others, "other entries"),
    ];
    let counts = counts.map(|(count, what)| format!("{} {what}", format::count(count)));
    let again = if args.and_refetch {
        "What the watch still has is fetched again."
    } else {
        "What the watch still has of it does not come back."
    };
    let mut text = format!(
        "Forgot {}: {}.\n{again}\nWhat was uploaded stays in the cloud: delete it there, with DELETE /v1/measurement or in the app.",
        format::safe(&args.watch),
        counts.join(", ")
    );
    if !told.overwritten {
        text.push_str("\nIts traces in the files are not overwritten yet: the disk is full, or somebody was reading; run this again.");
    }
    text
}
