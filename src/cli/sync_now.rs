//! `nowbridge sync`: a session with every watch, or with one, now.

use super::{daemon, exit, small_runtime};
use crate::config::Config;

/// Whom to sync with.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this watch: its name or its address
    watch: Option<String>,
}

/// Asks the daemon; does not wait for the sessions.
pub fn sync_now(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let watches = small_runtime()?.block_on(async {
        let client = daemon(config).await?;
        client.sync_now(args.watch.as_deref()).await
    })?;
    match watches {
        0 => println!(
            "No watch is looked after; pair one with `nowbridge pair`, or add a [[watch]] to the configuration."
        ),
        1 => println!("Asked for a session with the watch; `nowbridge status --watch` follows it."),
        n => println!("Asked for a session with {n} watches; `nowbridge status --watch` follows them."),
    }
    Ok(exit::OK)
}
