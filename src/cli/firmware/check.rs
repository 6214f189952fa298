//! `nowbridge firmware check`: every check, with its verdict.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::radio::print;
use crate::cli::{exit, format};
use crate::clock::Clock;
use crate::config::Config;
use crate::firmware::{
    self, Asked, Check, LARGEST_FILE, LARGEST_MANIFEST, Now, Policy, Question, Report, Stated, Target,
    TrustLevel, Verdict,
};
use crate::wire::Sha256;
use crate::wire::mcuboot::{Image, ImageVersion};
use crate::wire::minisign::LARGEST_SIGNATURE;

/// What to print of a text that is not ours.
const LONGEST: usize = 300;

/// Which file, and what is known of the watch.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  nowbridge firmware check app.signed.bin\n  nowbridge firmware check app.signed.bin --manifest app.json --product WATCH --hw rev-b --installed 1.3.2\n\n\
What stands behind a file has five levels: 0 nothing, 1 a checksum, 2 checksum and version as announced, 3 a signature with a key that is pinned \
in [firmware], 4 a signed manifest: for this product and hardware, not expired, not older than one before. [firmware] require says which is needed; \
by default the most that can be had. What was not looked at says why; what a watch was given before is only known where its daemon runs, and is looked at \
before an update. It works without a daemon and without a network.\n\n\
Exit codes: 0 it may go to the watch, 65 it is damaged or the wrong file, 77 it is sound, but must not be trusted or installed, 78 wrong configuration."
)]
pub struct Args {
    /// The firmware, such as zephyr.signed.bin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The manifest that came with it
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// The minisign signature of the manifest, or of the firmware if there is none [default: that file's name and .minisig, if it is there]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    /// Which product the watch is
    #[arg(long, value_name = "NAME")]
    product: Option<String>,

    /// Which hardware revision it has
    #[arg(long, value_name = "REVISION")]
    hw: Option<String>,

    /// Which firmware it runs
    #[arg(long, value_name = "VERSION")]
    installed: Option<ImageVersion>,

    /// Let it be older than what runs
    #[arg(long, requires = "installed")]
    allow_downgrade: bool,

    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    file: String,
    sha256: Sha256,
    /// What the watch calls the image.
    image_sha256: Option<Sha256>,
    version: Option<ImageVersion>,
    checks: &'a [Check],
    level: TrustLevel,
    needed: TrustLevel,
    satisfied: bool,
}

/// Makes the checks, and prints them.
pub fn check(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let file = super::read(&args.file, LARGEST_FILE)?;
    // One byte more than is allowed: the checks say what is wrong with it.
    let manifest = args.manifest.as_deref().map(|path| super::read(path, LARGEST_MANIFEST as u64 + 1));
    let manifest = manifest.transpose()?;
    let signature = signature(args)?;
    let target = Target {
        product: args.product.clone(),
        hardware: args.hw.clone(),
        installed: args.installed,
        device: None,
        slot: None,
    };
    let clock = Clock::System;
    let report = firmware::check(&Question {
        file: &file,
        name: name(&args.file),
        stated: &Stated::default(),
        manifest: manifest.as_deref(),
        manifest_name: args.manifest.as_deref().and_then(name),
        signature: signature.as_deref(),
        target: &target,
        asked: Asked { by_hand: true, allow_downgrade: args.allow_downgrade },
        policy: &Policy::from(&config.firmware_trust),
        memory: None,
        now: Now { at: clock.now(), trust: clock.trust() },
    });
    if args.json {
        print(&serde_json::to_string(&printed(args, &file, &report))?)?;
    } else {
        print(&format!("{}\n\n{}", table(&report.checks), sum(&args.file, &report)))?;
    }
    Ok(code(&report))
}

fn printed<'a>(args: &Args, file: &[u8], report: &'a Report) -> Printed<'a> {
    Printed {
        file: args.file.display().to_string(),
        sha256: Sha256::of(file),
        image_sha256: report.image.as_ref().map(|image| image.hash),
        version: report.image.as_ref().map(Image::version),
        checks: &report.checks,
        level: report.level,
        needed: report.needed.level,
        satisfied: report.satisfied(),
    }
}

/// The file that was named, or the one that lies beside what is signed.
fn signature(args: &Args) -> Result<Option<Vec<u8>>, super::BadFile> {
    let beside = || {
        let signed = args.manifest.as_deref().unwrap_or(&args.file);
        let mut path = OsString::from(signed);
        path.push(".minisig");
        Some(PathBuf::from(path)).filter(|path| path.exists())
    };
    let path = args.signature.clone().or_else(beside);
    path.map(|path| super::read(&path, LARGEST_SIGNATURE as u64)).transpose()
}

fn name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn code(report: &Report) -> u8 {
    if report.satisfied() {
        exit::OK
    } else if report.problems().all(firmware::Problem::is_about_trust) {
        exit::NOT_ALLOWED
    } else {
        exit::DATA
    }
}

fn table(checks: &[Check]) -> String {
    let row = |check: &Check| {
        let (verdict, reason) = match &check.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(problem) => ("FAILED", Some(problem.to_string())),
            Verdict::NotDone(skipped) => ("not done", Some(skipped.to_string())),
        };
        let said = match reason {
            None => check.detail.clone(),
            Some(reason) if check.detail.is_empty() => reason,
            Some(reason) => format!("{}; {reason}", check.detail),
        };
        [check.name.to_string(), verdict.to_owned(), format::safe_to(&said, LONGEST)]
    };
    format::table(["check", "verdict", ""], &checks.iter().map(row).collect::<Vec<_>>())
}

fn sum(file: &Path, report: &Report) -> String {
    let failed = report.problems().count();
    match failed {
        0 => format!("{} may go to the watch: level {}.", file.display(), report.level),
        1 => format!("{} must not go to a watch: a check failed.", file.display()),
        _ => format!("{} must not go to a watch: {failed} checks failed.", file.display()),
    }
}
