//! `nowbridge firmware`: what there is for a watch, and whether it may be trusted.

mod check;
mod fetch;
mod list;
mod verify;
mod which;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

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
    /// Make every check that an update makes before its first byte, and print each with its verdict
    Check(check::Args),
    /// Answer with the exit code whether a file is a whole image: 0 yes, 1 no
    Verify(verify::Args),
    /// Show what the cloud offers the watches, and what is stored here
    List(list::Args),
    /// Download firmware, check it against what was offered, and store it here; nothing goes to a watch
    Fetch(fetch::Args),
}

/// A file that was named cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} has more than {most} bytes, so it is another file than the one that is meant", path.display())]
    TooLarge {
        /// Where.
        path: PathBuf,
        /// What would be plausible.
        most: u64,
    },
}

/// Does it.
pub fn firmware(config: &Config, args: &Args) -> anyhow::Result<u8> {
    match &args.verb {
        Verb::Check(args) => check::check(config, args),
        Verb::Verify(args) => verify::verify(args),
        Verb::List(args) => list::list(config, args),
        Verb::Fetch(args) => fetch::fetch(config, args),
    }
}

/// The whole of a file of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>, BadFile> {
    let unreadable = |source| BadFile::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(BadFile::TooLarge { path: path.to_owned(), most });
    }
    Ok(bytes)
}
