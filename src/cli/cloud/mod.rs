//! `nowbridge cloud`: the private cloud in the foreground, and what it offers watches.

mod firmware;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use clap::Subcommand;

use super::{exit, logging, run};
use crate::clock::Clock;
use crate::config::{LogConfig, LogFormat, SecretSource};
use crate::sim::cloud::{PrivateCloud, PrivateCloudError};

/// Where it listens, where it keeps its data, and who may use it.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example: nowbridge cloud --data ~/cloud --add-user me@example.org --password-file pw.txt --consent\n\
Speaks plain HTTP: keep it on this computer, or put a reverse proxy with TLS in front."
)]
pub struct Args {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8088")]
    listen: SocketAddr,

    /// The folder that holds the database; made if it is missing
    #[arg(long, value_name = "DIR", required = true)]
    data: Option<PathBuf>,

    /// Add this account before serving; needs --password-file
    #[arg(long, value_name = "EMAIL", requires = "password_file")]
    add_user: Option<String>,

    /// The new account's password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// The new account consents to sharing data: only then does a daemon upload
    #[arg(long, requires = "add_user")]
    consent: bool,

    /// The account may look after firmware: `nowbridge cloud firmware`
    #[arg(long, requires = "add_user")]
    admin: bool,

    /// The account gets firmware before others
    #[arg(long, requires = "add_user")]
    early_access: bool,

    /// Ask for this x-auth-token at login and registration; read from the file
    #[arg(long, value_name = "FILE")]
    x_auth_token_file: Option<PathBuf>,

    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Look after the firmware of a private cloud that runs
    Firmware(firmware::Args),
}

/// Serves until SIGTERM or SIGINT.
pub fn cloud(args: &Args) -> anyhow::Result<u8> {
    if let Some(Verb::Firmware(args)) = &args.verb {
        return firmware::firmware(args);
    }
    let data = args.data.as_deref().context("--data is missing")?;
    // The private cloud has no configuration file: what it needs stands on its command line.
    logging::start(&LogConfig { filter: log_filter(), format: LogFormat::Text });
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let mut cloud = PrivateCloud::open(data, Clock::System)?;
        if let Some(file) = &args.x_auth_token_file {
            cloud = cloud.with_auth_token(&SecretSource::file("--x-auth-token-file", file).read()?);
        }
        if let (Some(email), Some(file)) = (&args.add_user, &args.password_file) {
            let password = SecretSource::file("--password-file", file).read()?;
            add_user(&cloud, email, password, args).await?;
        }
        let listener = tokio::net::TcpListener::bind(args.listen).await.with_context(|| {
            format!("{} cannot be listened on; choose another with --listen", args.listen)
        })?;
        println!("The private cloud serves {} at http://{}.", data.display(), listener.local_addr()?);
        let cancel = CancellationToken::new();
        let stopper = tokio::spawn(run::stop_on_signal(cancel.clone()));
        cloud.serve(listener, cancel).await?;
        stopper.abort();
        Ok(exit::OK)
    })
}

async fn add_user(
    cloud: &PrivateCloud,
    email: &str,
    password: SecretString,
    args: &Args,
) -> anyhow::Result<()> {
    match cloud.add_user(email, password, "nowbridge", "user").await {
        Ok(()) => println!("Added {email}."),
        // The same command line starts the cloud again tomorrow.
        Err(PrivateCloudError::EmailTaken(_)) => println!("{email} is known already; the password stays."),
        Err(PrivateCloudError::Unfit(what)) => bail!("{email} cannot be added: {}", what.join("; ")),
        Err(error) => return Err(error.into()),
    }
    if args.consent {
        cloud.set_consent(email, true).await?;
    }
    if args.admin {
        cloud.set_admin(email, true).await?;
    }
    if args.early_access {
        cloud.set_early_access(email, true).await?;
    }
    Ok(())
}

fn log_filter() -> String {
    std::env::var("NOWBRIDGE_LOG").unwrap_or_else(|_| "info".to_owned())
}
