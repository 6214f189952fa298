//! `nowbridge unpair`: the end of a pairing.

use super::{last, print};
use crate::cli::{daemon, exit, small_runtime};
use crate::config::Config;
use crate::control::{Job, News};

/// Which watch.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What was collected from the watch stays. The watch itself may keep its half of the bond: remove it there, too."
)]
pub struct Args {
    /// Its name or address
    watch: String,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// Has the daemon remove the bond.
pub fn unpair(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let news = small_runtime()?.block_on(async {
        let client = daemon(config).await?;
        let mut news = std::pin::pin!(client.begin(&Job::Unpair { watch: args.watch.clone() }).await?);
        last(&mut news).await
    })?;
    match &news {
        _ if args.json => print(&serde_json::to_string(&news)?)?,
        News::Unpaired { address, name, bond, configured } => {
            let watch = name.as_deref().unwrap_or(&address.0);
            let bond = if *bond { "The bond is removed." } else { "There was no bond." };
            let rest = if *configured {
                "It stays configured: to end that, too, take its [[watch]] out of the configuration and restart the daemon."
            } else {
                "It is not looked after any more."
            };
            print(&format!("{watch}: {bond} {rest}"))?;
        }
        _ => {}
    }
    Ok(exit::OK)
}
