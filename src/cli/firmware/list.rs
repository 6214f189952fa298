//! `nowbridge firmware list`: what is offered, and what is here.

use serde::Serialize;

use super::super::radio::print;
use super::super::{exit, format, small_runtime};
use super::which::{self, Watch, Which};
use crate::cloud::{Channel, FirmwareOffer};
use crate::config::Config;
use crate::firmware::{Entry, FirmwareStore, offered};

/// For which watch, and how to print it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Asks the cloud for each kind of watch that the daemon knows, or for the one that --product names, \
in the channel that is configured or that the account is in. What is stored here is told in any case.\n\
Example: nowbridge firmware list --product \"HealthyPi Move\" --hw rev-b --installed 1.3.0"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listed {
    offers: Vec<Offered>,
    store: Vec<Entry>,
}

#[derive(Serialize)]
struct Offered {
    product: String,
    hardware: Option<String>,
    installed: Option<String>,
    channel: Channel,
    offer: Option<FirmwareOffer>,
}

/// Asks and prints.
pub fn list(config: &Config, args: &Args) -> anyhow::Result<u8> {
    small_runtime()?.block_on(async {
        let folder = FirmwareStore::new(config.paths.firmware());
        let store = folder.list().await?;
        let mut offers = Vec::new();
        // What is here can be told even if nobody can be asked.
        let asked = ask(config, &args.which, &mut offers).await;
        if args.json {
            if asked.is_ok() {
                print(&serde_json::to_string_pretty(&Listed { offers, store })?)?;
            }
        } else {
            for offer in &offers {
                print(&sentence(offer))?;
            }
            print(&stored(&folder, &store))?;
        }
        asked.map(|()| exit::OK)
    })
}

async fn ask(config: &Config, which: &Which, offers: &mut Vec<Offered>) -> anyhow::Result<()> {
    config.paths.create()?;
    let client = which::client(config)?;
    let channel = which::channel(config)?;
    for watch in which.watches(config).await? {
        let Watch { product, hardware, installed } = watch;
        let (query, offer) =
            offered(&client, &product, hardware.as_deref(), installed.as_deref(), channel.as_ref()).await?;
        offers.push(Offered { product, hardware, installed, channel: query.channel, offer });
    }
    client.settle().await;
    Ok(())
}

fn sentence(asked: &Offered) -> String {
    let Offered { product, installed, channel, offer, .. } = asked;
    let product = format::safe(product);
    let runs =
        installed.as_ref().map_or(String::new(), |version| format!(", which runs {}", format::safe(version)));
    let Some(offer) = offer else {
        return format!("{product}{runs}: nothing newer in the channel {channel}");
    };
    let mut about = vec![format!("channel {channel}")];
    about.extend(offer.size.map(format::bytes));
    about.push(match (&offer.manifest, &offer.signature, offer.sha256) {
        (Some(_), Some(_), _) => "with a signed manifest".to_owned(),
        (_, Some(_), _) => "with a signature".to_owned(),
        (_, _, Some(_)) => "with a checksum, without a signature".to_owned(),
        _ => "without checksum or signature".to_owned(),
    });
    let notes =
        offer.notes.as_ref().map_or(String::new(), |notes| format!("\n  {}", format::safe_to(notes, 500)));
    format!("{product}{runs}: {} ({}){notes}", format::safe(&offer.version), about.join(", "))
}

fn stored(folder: &FirmwareStore, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return format!("Nothing is stored in {}.", folder.dir().display());
    }
    let text = |text: &Option<String>| text.as_ref().map_or("?".to_owned(), |text| format::safe(text));
    let row = |entry: &Entry| {
        let Entry { sha256, size, label, .. } = entry;
        [text(&label.version), text(&label.product), format::bytes(*size), sha256.to_string()]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    let heading = ["version", "product", "size", "sha256"];
    format!("Stored in {}:\n{}", folder.dir().display(), format::table(heading, &rows))
}
