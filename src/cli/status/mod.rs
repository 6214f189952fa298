//! `nowbridge status`: what the daemon is doing, for people or for programs.

mod watches;

use std::fmt::Write as _;
use std::io::Write as _;
use std::pin::pin;

use futures_util::StreamExt;

use super::{daemon, exit, format, small_runtime};
use crate::clock::Clock;
use crate::cloud::AuthState;
use crate::config::Config;
use crate::control::{CloudStatus, Status};
use crate::measurement::UtcMicros;
use crate::outbox::Summary;
use crate::radio::RadioState;
use crate::upload::{HoldReason, UploadState};

/// What to show and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON; its fields are only ever added to
    #[arg(long)]
    json: bool,

    /// Print again whenever something changes
    #[arg(long)]
    watch: bool,
}

/// Asks the daemon and prints.
pub fn status(config: &Config, args: &Args) -> anyhow::Result<u8> {
    small_runtime()?.block_on(async {
        let client = daemon(config).await?;
        if !args.watch {
            show(&client.status().await?, args.json)?;
            return Ok(exit::OK);
        }
        let mut events = pin!(client.events().await?);
        while let Some(status) = events.next().await {
            show(&status?, args.json)?;
        }
        Ok(exit::OK)
    })
}

fn show(status: &Status, json: bool) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string(status)? } else { text(status, Clock::System.now()) };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// The status in words.
fn text(status: &Status, now: UtcMicros) -> String {
    let mut out = String::new();
    let daemon = &status.daemon;
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "nowbridge {} (process {}), started {}: {}",
        daemon.version,
        daemon.pid,
        format::relative(daemon.started, now),
        format!("{:?}", daemon.stage).to_lowercase()
    );
    for failing in &daemon.failing {
        let again = format::relative(failing.until, now);
        let _ = write!(out, "\n{} failed: {}; started again {again}", failing.name, failing.reason);
    }
    match &status.radio {
        Some(RadioState::Ready) => out.push_str("\nradio: ready"),
        Some(RadioState::NotReady(trouble)) => {
            let _ = write!(out, "\nradio: not ready: {trouble}");
        }
        None => {}
    }
    for watch in &status.watches {
        let _ = write!(out, "\n{}", watches::text(watch, now));
    }
    if status.watches.is_empty() {
        out.push_str(
            "\nno watch is configured or paired: nothing is collected; `nowbridge scan` shows those around",
        );
    }
    match &status.cloud {
        Some(cloud) => out.push_str(&cloud_text(cloud, now)),
        None => out.push_str("\nno cloud is configured: nothing is uploaded"),
    }
    if let Some(outbox) = &status.outbox {
        out.push_str(&outbox_text(outbox, now));
    }
    out
}

fn cloud_text(cloud: &CloudStatus, now: UtcMicros) -> String {
    let login = match &cloud.auth {
        AuthState::LoggedIn => "logged in".to_owned(),
        AuthState::NeedsLogin { why } => format!("needs login: {why}; run `nowbridge login`"),
        AuthState::Anonymous => "not logged in yet".to_owned(),
    };
    let upload = &cloud.upload;
    let state = match &upload.state {
        UploadState::Idle => "everything that can be sent is sent".to_owned(),
        UploadState::Uploading { kind, rows } => {
            format!("sending {} rows of {kind}", format::count((*rows).into()))
        }
        UploadState::Holding { reason, until } => {
            format!("holding: {}; next try {}", hold_text(reason), format::relative(*until, now))
        }
        UploadState::Stopped => "stopped".to_owned(),
    };
    let mut out = format!("\ncloud {}: {login}; {state}", cloud.base_url);
    if let Some(at) = upload.last_receipt {
        let _ = write!(out, "; last receipt {}", format::relative(at, now));
    }
    if upload.held_synthetic > 0 {
        let held = format::count(upload.held_synthetic);
        let _ =
            write!(out, "\n  {held} simulated samples are held: they go to a cloud on this computer only");
    }
    if upload.held_undated > 0 {
        let held = format::count(upload.held_undated);
        let _ = write!(out, "\n  {held} samples wait until the watch's clock has been compared with UTC");
    }
    out
}

fn hold_text(reason: &HoldReason) -> String {
    match reason {
        HoldReason::NeedsLogin { detail }
        | HoldReason::Unavailable { detail, .. }
        | HoldReason::Outbox { detail } => detail.clone(),
        HoldReason::NoConsent => {
            "the account does not consent to sharing data; switch it on in the account's settings".to_owned()
        }
        HoldReason::Refused { detail } => format!("the cloud refuses whatever is sent ({detail})"),
    }
}

fn outbox_text(outbox: &Summary, now: UtcMicros) -> String {
    let mut out = format!(
        "\noutbox {}, {} in the ledger as gaps, {} dead letters",
        format::bytes(outbox.database_bytes),
        format::count(outbox.gaps),
        format::count(outbox.dead_letters)
    );
    if let Some(newest) = outbox.newest_received {
        let _ = write!(out, ", newest block {}", format::relative(newest, now));
    }
    for stream in &outbox.streams {
        let name = stream.kind.map_or_else(
            || stream.stream.info().map_or("private stream", |info| info.name).to_owned(),
            |kind| kind.to_string(),
        );
        let stored = format::count(stream.samples);
        let _ = match stream.kind {
            Some(_) => write!(
                out,
                "\n  {name:<20} {stored:>12} stored {:>12} uploaded {:>10} waiting",
                format::count(stream.uploaded),
                format::count(stream.unsent())
            ),
            None => write!(out, "\n  {name:<20} {stored:>12} stored (the API has no place for it)"),
        };
    }
    out
}
