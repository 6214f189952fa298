//! `nowbridge firmware verify`: whether a file is a whole image, for scripts.

use std::path::PathBuf;

use crate::cli::radio::print;
use crate::cli::{exit, format};
use crate::firmware::{self, LARGEST_FILE, Verdict};

/// Which file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Looked at is what the file can show by itself: that it is a signed MCUboot image and nothing else, that its lengths add up, that it \
hashes to what it says, that a watch could start it. Whether it may be trusted, and is right for a watch, `nowbridge firmware check` says. Neither needs \
a daemon or a network.\n\nExit codes: 0 it is whole, 1 it is not, 65 it cannot be read."
)]
pub struct Args {
    /// The firmware, such as zephyr.signed.bin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Looks, and says what is wrong if something is.
pub fn verify(args: &Args) -> anyhow::Result<u8> {
    let file = super::read(&args.file, LARGEST_FILE)?;
    let checks = firmware::integrity(&file);
    let problem = checks.iter().find_map(|check| match &check.verdict {
        Verdict::Failed(problem) => Some(problem.to_string()),
        _ => None,
    });
    let (said, code) = match (problem, checks.first()) {
        (Some(problem), _) => (problem, exit::DIFFERENT),
        (None, Some(image)) => (format!("a whole image: {}", image.detail), exit::OK),
        (None, None) => ("nothing to look at".to_owned(), exit::DIFFERENT),
    };
    print(&format!("{}: {}", args.file.display(), format::safe_to(&said, 400)))?;
    Ok(code)
}
