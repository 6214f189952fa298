//! `nowbridge outbox`: the ledger, entry by entry, and what a person wants done about it.

mod mend;
mod show;
mod sinks;
mod tables;

use clap::Subcommand;

use super::place::Place;
use super::radio::print;
use super::radio::terminal::Terminal;
use super::{exit, small_runtime};
use crate::config::Config;
use crate::control::{DeadRequest, DeskError};
use crate::outbox::{Entries, Entry, EntryId, Resolved, Section};

/// What to do.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the newest entries of the ledger: dead letters, unless told otherwise
    List(ListArgs),
    /// Show one entry with all that is known of it
    Show(ShowArgs),
    /// Send dead letters again
    Retry(RetryArgs),
    /// Leave dead letters at that: they are kept, but no longer counted as open
    Drop(DropArgs),
    /// List those that measurements are sent to, and what room is kept for each
    Sinks(sinks::SinksArgs),
    /// Give up on a sink that is no longer configured, and on what waits for it
    ForgetSink(sinks::ForgetSinkArgs),
    /// Have SQLite look at every page of the database
    Check(CheckArgs),
    /// Fetch what can be read of a damaged database, or fill what it has cost from a backup
    Salvage(mend::SalvageArgs),
    /// Copy the outbox to a file, as it is at one moment, also while the daemon runs
    Backup(mend::BackupArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    section: SectionArgs,

    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "flags of which one may be given")]
struct SectionArgs {
    /// What was refused for good (this is the default)
    #[arg(long)]
    dead: bool,
    /// What is missing, and why
    #[arg(long)]
    gaps: bool,
    /// What was or is to be sent
    #[arg(long)]
    batches: bool,
    /// What was confirmed
    #[arg(long)]
    receipts: bool,
    /// What has no time that can be believed
    #[arg(long)]
    quarantine: bool,
}

impl SectionArgs {
    const fn section(&self) -> Section {
        match self {
            Self { gaps: true, .. } => Section::Gaps,
            Self { batches: true, .. } => Section::Batches,
            Self { receipts: true, .. } => Section::Receipts,
            Self { quarantine: true, .. } => Section::Quarantine,
            _ => Section::Dead,
        }
    }
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Its name: d12 (dead letter), b7 (batch), g3 (gap), q1 (quarantine)
    id: EntryId,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RetryArgs {
    /// Which dead letters: d12 d13
    #[arg(required_unless_present = "all_dead", conflicts_with = "all_dead")]
    ids: Vec<EntryId>,

    /// Every one that was refused, is stored still and nobody has decided on
    #[arg(long)]
    all_dead: bool,
}

#[derive(Debug, clap::Args)]
struct DropArgs {
    /// Which dead letters: d12 d13
    #[arg(required = true)]
    ids: Vec<EntryId>,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// A wish that nothing was done about.
#[derive(Debug, thiserror::Error)]
pub enum Undone {
    /// Somebody has to say yes.
    #[error("this cannot be undone and there is no terminal to ask at: give --yes")]
    NeedsYes,
    /// Somebody said no.
    #[error("called off")]
    CalledOff,
}

/// Does it, with the daemon or here.
pub fn outbox(config: &Config, args: &Args) -> anyhow::Result<u8> {
    small_runtime()?.block_on(async {
        match &args.verb {
            Verb::List(args) => list(config, args).await,
            Verb::Show(args) => show(config, args).await,
            Verb::Retry(args) => retry(config, args).await,
            Verb::Drop(args) => drop_dead(config, args).await,
            Verb::Sinks(args) => sinks::sinks(config, args).await,
            Verb::ForgetSink(args) => sinks::forget_sink(config, args).await,
            Verb::Check(args) => check(config, args).await,
            Verb::Salvage(args) => mend::salvage(config, args).await,
            Verb::Backup(args) => mend::backup(config, args).await,
        }
    })
}

async fn list(config: &Config, args: &ListArgs) -> anyhow::Result<u8> {
    let (section, limit) = (args.section.section(), args.limit);
    let entries: Entries = match Place::find(config).await? {
        Place::Daemon(client) => client.entries(section, limit).await?,
        Place::Here(outbox) => outbox.entries(section, limit).await?,
    };
    print(&if args.json { serde_json::to_string(&entries)? } else { tables::table(&entries) })?;
    Ok(exit::OK)
}

async fn show(config: &Config, args: &ShowArgs) -> anyhow::Result<u8> {
    let entry: Entry = match Place::find(config).await? {
        Place::Daemon(client) => client.entry(args.id).await?,
        Place::Here(outbox) => {
            let none = || DeskError::NoEntry(args.id).complaint();
            outbox.entry(args.id).await?.ok_or_else(none)?
        }
    };
    print(&if args.json { serde_json::to_string(&entry)? } else { show::text(&entry) })?;
    Ok(exit::OK)
}

async fn retry(config: &Config, args: &RetryArgs) -> anyhow::Result<u8> {
    let (ids, all) = (args.ids.clone(), args.all_dead);
    let resolved = match Place::find(config).await? {
        Place::Daemon(client) => client.retry(&DeadRequest { ids, all }).await?,
        Place::Here(outbox) if all => outbox.retry_all_dead().await?,
        Place::Here(outbox) => outbox.retry_dead(ids).await?,
    };
    told(&resolved, "to be sent again", "nothing is left that could be sent again")
}

async fn drop_dead(config: &Config, args: &DropArgs) -> anyhow::Result<u8> {
    let names: Vec<String> = args.ids.iter().map(EntryId::to_string).collect();
    confirm(args.yes, &format!("{} will not be sent any more. Leave it at that?", names.join(", "))).await?;
    let ids = args.ids.clone();
    let resolved = match Place::find(config).await? {
        Place::Daemon(client) => client.drop_dead(&DeadRequest { ids, all: false }).await?,
        Place::Here(outbox) => outbox.drop_dead(ids).await?,
    };
    told(&resolved, "dropped; what they hold is kept", "nothing was dropped")
}

/// Asks whoever sits at the terminal.
pub async fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !Terminal::is_there() {
        return Err(Undone::NeedsYes.into());
    }
    let mut terminal = Terminal::new(true);
    terminal.say(&format!("{question} [y/N] "))?;
    match terminal.line().await.unwrap_or_default().trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Undone::CalledOff.into()),
    }
}

fn told(resolved: &Resolved, done: &str, nothing: &str) -> anyhow::Result<u8> {
    let names: Vec<String> = resolved.done.iter().map(EntryId::to_string).collect();
    match names.len() {
        0 => print(&format!("{}.", uppercase(nothing)))?,
        1..=20 => print(&format!("{}: {done}.", names.join(", ")))?,
        many => print(&format!("{many} dead letters: {done}."))?,
    }
    for (id, why) in &resolved.left {
        eprintln!("nowbridge: {id} is left as it is: {why}");
    }
    Ok(if resolved.left.is_empty() { exit::OK } else { exit::USAGE })
}

fn uppercase(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

async fn check(config: &Config, args: &CheckArgs) -> anyhow::Result<u8> {
    let problems = match Place::find(config).await? {
        Place::Daemon(client) => client.check().await?.problems,
        Place::Here(outbox) => outbox.quick_check().await?,
    };
    if args.json {
        print(&serde_json::to_string(&crate::control::CheckAnswer { problems: problems.clone() })?)?;
    } else if problems.is_empty() {
        print("The database is sound.")?;
    } else {
        print(&format!("The database is damaged:\n{}", problems.join("\n")))?;
    }
    Ok(if problems.is_empty() { exit::OK } else { exit::DATA })
}
