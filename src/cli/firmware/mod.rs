//! `nowbridge firmware`: what there is for a watch, and whether it may be trusted.

mod fetch;
mod list;
mod which;

use clap::Subcommand;

use crate::config::Config;

pub use which::Unasked;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what the cloud offers the watches, and what is stored here
    List(list::Args),
    /// Download firmware, check it against what was offered, and store it here; nothing goes to a watch
    Fetch(fetch::Args),
}

/// Does it.
pub fn firmware(config: &Config, args: &Args) -> anyhow::Result<u8> {
    match &args.verb {
        Verb::List(args) => list::list(config, args),
        Verb::Fetch(args) => fetch::fetch(config, args),
    }
}
