//! `nowbridge outbox salvage` and `backup`.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::place::Place;
use crate::cli::radio::print;
use crate::cli::{exit, format, status};
use crate::config::Config;
use crate::control::{BackupAnswer, BackupRequest, ControlError, Fault, SalvageAnswer, SalvageRequest};
use crate::outbox::Merged;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A database in which damage is found is moved aside at the next start, never deleted, and what can be read of it is fetched into a new one while \
all goes on. This tells how far that has come, and sees it to its end. With FILE, holes that damage has made are filled from that file as well: a backup, or a \
damaged database that was moved aside before. FILE is only read. What is found goes to the cloud if the cloud did not have it. Broken off, it goes on \
where it was when it is run again.\n\nWith a running daemon the daemon does it, and must be able to read FILE."
)]
pub struct SalvageArgs {
    /// A backup, or a database that was moved aside
    file: Option<PathBuf>,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The copy is one file, an outbox of its own: put it as outbox.db into an empty state directory, or give it to `nowbridge outbox salvage`. It gets \
its name when it was looked through and is on the disk; nothing is overwritten. It holds health data: only its owner may read it.\n\n\
With a running daemon the daemon writes it, as its own user."
)]
pub struct BackupArgs {
    /// Where the copy goes
    file: PathBuf,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

pub async fn salvage(config: &Config, args: &SalvageArgs) -> anyhow::Result<u8> {
    let file = args.file.as_ref().map(std::path::absolute).transpose()?;
    let answer = match Place::find_to_mend(config).await? {
        Place::Daemon(client) => client.salvage(&SalvageRequest { file }).await?,
        Place::Here(outbox) => {
            let answer = SalvageAnswer::gather(&outbox, file.as_deref()).await?;
            outbox.close().await?;
            answer
        }
    };
    print(&if args.json { serde_json::to_string(&answer)? } else { text(&answer) })?;
    Ok(exit::OK)
}

pub async fn backup(config: &Config, args: &BackupArgs) -> anyhow::Result<u8> {
    let file = std::path::absolute(&args.file)?;
    let answer = match Place::find(config).await? {
        Place::Daemon(client) => {
            let made = client.backup(&BackupRequest { file }).await;
            let is_its_rights = |error: &ControlError| matches!(error, ControlError::Refused(complaint) if complaint.fault == Fault::CannotWrite);
            match made {
                Err(error) if is_its_rights(&error) => {
                    Err(error).context("the daemon writes the backup, as its own user")?
                }
                made => made?,
            }
        }
        Place::Here(outbox) => {
            let bytes = outbox.backup(&file).await?;
            BackupAnswer { file, bytes }
        }
    };
    let told = || {
        format!("{}: {}, looked through and on the disk.", answer.file.display(), format::bytes(answer.bytes))
    };
    print(&if args.json { serde_json::to_string(&answer)? } else { told() })?;
    Ok(exit::OK)
}

fn text(answer: &SalvageAnswer) -> String {
    let mut lines = Vec::new();
    match &answer.salvage {
        Some(salvage) => {
            let told = status::salvage_text(salvage);
            let mut letters = told.trim().chars();
            let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
            lines.push(format!("{first}{}.", letters.as_str()));
        }
        None if answer.merged.is_none() => {
            lines.push("No damaged database was moved aside: nothing is to be salvaged.".to_owned());
        }
        None => {}
    }
    if let Some(Merged { file, found, filled, strange, lost }) = answer.merged.clone() {
        let [found, filled, lost] = [found, filled, lost].map(format::count);
        lines.push(format!(
            "{}: of {found} blocks in it, {filled} filled holes; {lost} blocks are lost still.",
            file.display()
        ));
        if strange > 0 {
            let strange = format::count(strange);
            lines.push(format!(
                "{strange} blocks in it are of logs that this outbox does not know, and were left there."
            ));
        }
    }
    let is_missing = answer.salvage.as_ref().is_some_and(|it| it.lost > 0)
        || answer.merged.as_ref().is_some_and(|it| it.lost > 0);
    if is_missing {
        lines.push("What is lost is in the ledger: `nowbridge outbox list --gaps`.".to_owned());
    }
    lines.join("\n")
}
