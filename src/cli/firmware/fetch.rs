//! `nowbridge firmware fetch`: from the cloud, or from an address, into the store.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::super::radio::print;
use super::super::{exit, format, small_runtime};
use super::which::{self, Unasked, Which};
use crate::clock::Clock;
use crate::cloud::{Client, FirmwareOffer};
use crate::config::{Config, Url};
use crate::daemon::Cloud;
use crate::firmware::{Downloader, FirmwareStore, Job, Limits, Progress, Stored, UrlGuard, offered};
use crate::wire::Sha256;

/// So much firmware is kept.
const KEPT: usize = 8;
const LOOK: Duration = Duration::from_millis(500);

/// What to fetch.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file is checked against the size and the SHA-256 that were offered, and stored under its hash. A download that \
breaks goes on where it was when the command is given again. Whether the firmware can be trusted is another question: \
`nowbridge firmware check` answers it, and an update asks it before the first byte.\n\
Examples:\n  nowbridge firmware fetch\n  nowbridge firmware fetch --url https://files.example.org/1.4.0.bin --sha256 9f86…"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,

    /// Only this version: if the cloud offers another one, nothing is fetched
    #[arg(long, value_name = "VERSION", conflicts_with = "url")]
    version: Option<String>,

    /// From this address, whatever the cloud offers; https, or http on this computer
    #[arg(long, value_name = "URL", conflicts_with_all = ["product", "hw", "installed"])]
    url: Option<Url>,

    /// What the file at --url must hash to
    #[arg(long, value_name = "HEX", requires = "url")]
    sha256: Option<Sha256>,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// Fetches, and says where it is.
pub fn fetch(config: &Config, args: &Args) -> anyhow::Result<u8> {
    small_runtime()?.block_on(async {
        config.paths.create()?;
        let client = Cloud::client(config, Clock::System)?;
        let mut guard = UrlGuard::new(client.as_ref().map(Client::base_url), &config.firmware.hosts);
        if let Some(url) = &args.url {
            guard = guard.with(url);
        }
        let store = FirmwareStore::new(config.paths.firmware());
        let limits = Limits {
            largest: config.firmware.max_size,
            keep_free: config.outbox.keep_free,
            ..Limits::default()
        };
        let downloader = Downloader::new(store, guard, limits, Clock::System);
        let job = job(config, args).await?;
        let progress = watch::Sender::new(Progress::default());
        let seen = progress.subscribe();
        let stored = tokio::select! {
            stored = downloader.fetch(client.as_ref(), &job, Arc::new(()), progress) => stored?,
            never = show(seen) => match never {},
        };
        if let Some(client) = &client {
            client.settle().await;
        }
        downloader.store().prune(KEPT, vec![stored.sha256]).await?;
        print(&report(&job, &stored, args.json))?;
        Ok(exit::OK)
    })
}

async fn job(config: &Config, args: &Args) -> anyhow::Result<Job> {
    if let Some(url) = &args.url {
        let offer = FirmwareOffer {
            version: "?".to_owned(),
            url: url.clone(),
            size: None,
            sha256: args.sha256,
            manifest: None,
            signature: None,
            notes: None,
        };
        return Ok(Job { offer, query: None });
    }
    let client = which::client(config)?;
    let watch = args.which.watch(config).await?;
    let channel = which::channel(config)?;
    let (hardware, installed) = (watch.hardware.as_deref(), watch.installed.as_deref());
    let (query, offer) = offered(&client, &watch.product, hardware, installed, channel.as_ref()).await?;
    let offer = offer.ok_or(Unasked::Nothing(watch.product))?;
    match &args.version {
        Some(asked) if *asked != offer.version => {
            Err(Unasked::Version { asked: asked.clone(), offered: offer.version }.into())
        }
        _ => Ok(Job { offer, query: Some(query) }),
    }
}

/// Shows how far it is, to somebody who looks.
async fn show(seen: watch::Receiver<Progress>) -> std::convert::Infallible {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let Progress { bytes, total, rate } = *seen.borrow();
        if bytes == 0 || !std::io::stderr().is_terminal() {
            continue;
        }
        let of = total.map_or(String::new(), |total| format!(" of {}", format::bytes(total)));
        // Whoever does not listen misses nothing.
        let _ = write!(std::io::stderr(), "\r{}{of}, {}/s   \r", format::bytes(bytes), format::bytes(rate));
    }
}

fn report(job: &Job, stored: &Stored, as_json: bool) -> String {
    let Stored { sha256, path, bytes, papers } = stored;
    let version = Some(&job.offer.version).filter(|_| job.query.is_some());
    if as_json {
        return json!({
            "version": version,
            "product": job.query.as_ref().map(|query| &query.product),
            "path": path,
            "size": bytes.len(),
            "sha256": sha256,
            "manifest": papers.manifest.is_some(),
            "signature": papers.signature.is_some(),
        })
        .to_string();
    }
    let name = version.map_or("the file".to_owned(), |version| format::safe(version));
    let doubt = match (job.offer.sha256, &papers.signature) {
        (None, None) => "\nNobody vouches for it: there was no checksum and no signature.",
        _ => "",
    };
    let size = format::bytes(bytes.len() as u64);
    format!("Fetched {name} ({size}) to {}\nsha256 {sha256}{doubt}", path.display())
}
