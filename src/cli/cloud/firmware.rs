//! `nowbridge cloud firmware`: what a private cloud offers watches, by way of its own API.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use clap::Subcommand;

use super::super::radio::print;
use super::super::{exit, format, small_runtime};
use crate::clock::Clock;
use crate::cloud::{BaseUrl, Channel, ClientConfig, Credentials, FirmwareAdmin, KeptFirmware, NewFirmware};
use crate::config::SecretSource;

/// Where the cloud runs, as whom, and what to do.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The cloud has to run, and the account has to be an administrator's: nowbridge cloud --data DIR --add-user EMAIL \
--password-file FILE --admin\n\
Example: nowbridge cloud firmware --email me@example.org --password-file pw.txt add 1.4.0.bin --product \"HealthyPi Move\""
)]
pub struct Args {
    /// Where the cloud is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8088")]
    url: BaseUrl,

    /// The administrator's address
    #[arg(long, value_name = "EMAIL")]
    email: String,

    /// The administrator's password
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,

    /// The x-auth-token, if the cloud asks for one
    #[arg(long, value_name = "FILE")]
    x_auth_token_file: Option<PathBuf>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Offer this file to watches
    Add(Add),
    /// Show what is offered
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Offer this no more
    Remove {
        /// The number that `list` shows
        id: u64,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The firmware
    file: PathBuf,

    /// What kind of watch it is for: the model that the watch tells
    #[arg(long, value_name = "NAME")]
    product: String,

    /// A hardware revision that it is for; may be given several times [default: all]
    #[arg(long, value_name = "REVISION")]
    hw: Vec<String>,

    /// Its version [default: the one in the header of an MCUboot image]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,

    /// Who gets it: stable, early-access, or another name
    #[arg(long, default_value = "stable")]
    channel: Channel,

    /// Its signed manifest
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// A minisign signature: of the manifest if there is one, else of the firmware
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    /// What is new
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
}

/// Does it.
pub fn firmware(args: &Args) -> anyhow::Result<u8> {
    small_runtime()?.block_on(async {
        let mut config = ClientConfig::new(args.url.clone());
        if let Some(file) = &args.x_auth_token_file {
            config.x_auth_token = Some(SecretSource::file("--x-auth-token-file", file).read()?);
        }
        let password = SecretSource::file("--password-file", &args.password_file).read()?;
        let who = Credentials { email: args.email.clone(), password };
        let new = match &args.verb {
            Verb::Add(add) => Some(add.read()?),
            _ => None,
        };
        let admin = FirmwareAdmin::login(config, &who, Clock::System).await?;
        match (&args.verb, new) {
            (Verb::Remove { id }, _) => {
                admin.remove(*id).await?;
                print(&format!("Removed {id}."))?;
            }
            (_, Some(new)) => {
                let KeptFirmware { id, version, channel, sha256, .. } = admin.add(new).await?;
                let version = format::safe(&version);
                print(&format!(
                    "Added {version} as {id}, channel {}\nsha256 {sha256}",
                    format::safe(&channel)
                ))?;
            }
            (Verb::List { json: true }, _) => print(&serde_json::to_string_pretty(&admin.list().await?)?)?,
            _ => print(&table(&admin.list().await?))?,
        }
        Ok(exit::OK)
    })
}

impl Add {
    fn read(&self) -> anyhow::Result<NewFirmware> {
        let read = |path: &Path| {
            std::fs::read(path).map(Bytes::from).with_context(|| format!("{} cannot be read", path.display()))
        };
        let paper = |path: &Option<PathBuf>| path.as_deref().map(read).transpose();
        Ok(NewFirmware {
            file: read(&self.file)?,
            manifest: paper(&self.manifest)?,
            signature: paper(&self.signature)?,
            product: self.product.clone(),
            hardware: self.hw.clone(),
            version: self.version.clone(),
            channel: self.channel.clone(),
            notes: self.notes.clone(),
        })
    }
}

fn table(kept: &[KeptFirmware]) -> String {
    if kept.is_empty() {
        return "There is no firmware in this cloud.".to_owned();
    }
    let row = |kept: &KeptFirmware| {
        let hardware = if kept.hardware.is_empty() { "all".to_owned() } else { kept.hardware.join(", ") };
        let papers = match (kept.manifest, kept.signature) {
            (true, true) => "manifest, signature",
            (true, false) => "manifest",
            (false, true) => "signature",
            (false, false) => "",
        };
        [
            kept.id.to_string(),
            format::safe(&kept.product),
            format::safe(&hardware),
            format::safe(&kept.version),
            format::safe(&kept.channel),
            format::bytes(kept.size),
            papers.to_owned(),
        ]
    };
    let heading = ["id", "product", "hardware", "version", "channel", "size", "with"];
    format::table(heading, &kept.iter().map(row).collect::<Vec<_>>())
}
