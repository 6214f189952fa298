//! `nowbridge export`: every stored sample, for whoever wants to have it.

mod folder;
mod source;
mod writers;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use self::folder::Folder;
use self::source::Source;
use self::writers::{Csv, JsonLines};
use super::{exit, format, small_runtime};
use crate::config::Config;
use crate::draft::Draft;
use crate::measurement::{Day, Kind, UtcMicros};
use crate::outbox::ExportRow;
use crate::wire::bridge::{STREAMS, Stream};

/// What to write, where, and how.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  nowbridge export --format csv all.csv\n  nowbridge export --from 2026-11-01 --to 2026-11-30 --format jsonl - | jq .\n  \
nowbridge export --watch \"left wrist\" --format nowatch export/\n\n\
csv: watch,kind,stream,datetime,value,quality_indicator; a row for each sample, in whole seconds as the API has them.\n\
jsonl: an object for each sample, with milliseconds, block, boot and the watch's own ticks; what has no date yet is there, too.\n\
nowatch: a folder like the app's own export, a file for each kind, one row a second, beats as frames; of one watch.\n\n\
Days are UTC days. It works with a running daemon, or without one in the outbox itself."
)]
pub struct Args {
    /// A file, a folder (for nowatch), or - for standard output
    #[arg(value_name = "FILE|DIR")]
    target: PathBuf,

    /// How to write it
    #[arg(long, value_enum)]
    format: Format,

    /// The first day
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,

    /// The last day
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,

    /// Only this kind, as the API calls it (HEART_RATE), or stream (SKIN_CONDUCTANCE)
    #[arg(long, value_name = "KIND", value_parser = stream_of)]
    kind: Option<Stream>,

    /// Only this watch: its name, address or device id
    #[arg(long, value_name = "WATCH")]
    watch: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One table
    Csv,
    /// JSON Lines
    Jsonl,
    /// A folder like the NOWATCH app's export
    Nowatch,
}

/// Why there is no export, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum CannotExport {
    /// A folder cannot be written to standard output.
    #[error("nowatch is a folder, so it needs a path; csv and jsonl can go to -")]
    NeedsFolder,
    /// Its files have no column for the watch.
    #[error("nowatch is of one watch, and there is more than one: name it with --watch")]
    ManyWatches,
    /// It would be overwritten.
    #[error("{0} is there already; name another, or remove it first")]
    Exists(PathBuf),
    /// The days are the wrong way round.
    #[error("{0} is after {1}; the first day comes first")]
    BadDays(Day, Day),
    /// The daemon ended in the middle of it.
    #[error(
        "the daemon ended, or was ended, in the middle of it: the export is not whole; see whether the daemon runs, and export again"
    )]
    NotWhole,
}

/// What was written and what was not.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    written: u64,
    undated: u64,
    unreadable: u64,
    homeless: u64,
}

/// Whoever takes the rows.
trait Sink {
    /// Takes one; `false` if this format has no place for it.
    fn take(&mut self, row: &ExportRow) -> anyhow::Result<bool>;

    /// Writes what is held back, and gives files their names.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// Standard output, or a file that has its name when it is whole.
pub enum Target {
    Stdout(BufWriter<StdoutLock<'static>>),
    File(BufWriter<Draft>),
}

impl Target {
    fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout(BufWriter::new(io::stdout().lock())));
        }
        Ok(Self::File(create(path)?))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush(),
            Self::File(file) => publish(file),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

fn publish(file: BufWriter<Draft>) -> io::Result<()> {
    file.into_inner().map_err(io::IntoInnerError::into_error)?.publish()
}

/// Writes it.
pub fn export(config: &Config, args: &Args) -> anyhow::Result<u8> {
    if args.format == Format::Nowatch && args.target.as_os_str() == "-" {
        return Err(CannotExport::NeedsFolder.into());
    }
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(CannotExport::BadDays(from, to).into());
    }
    let tally = small_runtime()?.block_on(copy(config, args))?;
    report(args, tally);
    Ok(exit::OK)
}

async fn copy(config: &Config, args: &Args) -> anyhow::Result<Tally> {
    let midnight = |day: Day| UtcMicros(day.at(0).0 * 1_000_000);
    let (from, to) = (args.from.map(midnight), args.to.map(|day| midnight(day.next())));
    let mut source = Source::open(config, args.watch.as_deref(), args.kind, from, to).await?;
    // Only now: where there is nothing to read, nothing is made.
    let mut sink: Box<dyn Sink> = match args.format {
        Format::Csv => Box::new(Csv::new(Target::open(&args.target)?).map_err(|error| named(args, error))?),
        Format::Jsonl => Box::new(JsonLines::new(Target::open(&args.target)?)),
        Format::Nowatch => Box::new(Folder::new(&args.target)?),
    };
    let mut tally = Tally::default();
    while let Some(page) = source.next_page().await? {
        tally.unreadable += page.unreadable;
        for row in &page.rows {
            tally.undated += u64::from(row.at.is_none());
            match sink.take(row).map_err(|error| named(args, error))? {
                true => tally.written += 1,
                false if row.at.is_some() => tally.homeless += 1,
                false => {}
            }
        }
    }
    sink.finish().map_err(|error| named(args, error))?;
    Ok(tally)
}

/// What is not in the result is told where the result is not.
fn report(args: &Args, tally: Tally) {
    if args.target.as_os_str() != "-" {
        eprintln!("{} samples written.", format::count(tally.written));
    }
    if tally.undated > 0 {
        let (count, there) = (format::count(tally.undated), args.format == Format::Jsonl);
        let there = if there { "they are there with their boot and ticks" } else { "they are in jsonl only" };
        eprintln!("{count} samples have no date yet: {there}.");
    }
    if tally.homeless > 0 {
        let count = format::count(tally.homeless);
        eprintln!(
            "{count} samples are of streams that this format has no file for: csv and jsonl have them."
        );
    }
    if tally.unreadable > 0 {
        let count = format::count(tally.unreadable);
        eprintln!("{count} blocks hold no samples that can be read here: they stay in the outbox.");
    }
}

/// Says which file it is that the disk has no room for.
fn named(args: &Args, error: anyhow::Error) -> anyhow::Error {
    let is_of_disk = error.chain().any(<dyn std::error::Error + 'static>::is::<io::Error>);
    if args.target.as_os_str() == "-" || !is_of_disk {
        return error;
    }
    error.context(format!("{} cannot be written", args.target.display()))
}

/// Health data: for its owner's eyes alone.
fn create(path: &Path) -> anyhow::Result<BufWriter<Draft>> {
    let made = Draft::create(path).map(BufWriter::new);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow::Error::from(CannotExport::Exists(path.to_owned())),
        _ => anyhow::Error::from(error).context(format!("{} cannot be written", path.display())),
    })
}

/// What a stream without a kind is called in a table: `SKIN_CONDUCTANCE`.
fn shouted(name: &str) -> String {
    name.to_uppercase().replace(' ', "_")
}

fn stream_of(text: &str) -> Result<Stream, String> {
    let by_kind = text.parse::<Kind>().ok().and_then(Stream::of_kind);
    let by_name = || STREAMS.iter().find(|info| shouted(info.name) == text).map(|info| info.stream);
    by_kind.or_else(by_name).ok_or_else(|| {
        let named = |info: &crate::wire::bridge::StreamInfo| {
            info.kind.map_or_else(|| shouted(info.name), |kind| kind.to_string())
        };
        let known: Vec<String> = STREAMS.iter().map(named).collect();
        format!("\"{text}\" is not stored here; there are {}", known.join(", "))
    })
}
