//! `nowbridge status`: what the daemon is doing, for people or for programs.

mod sinks;
mod watches;

use std::fmt::Write as _;
use std::io::Write as _;
use std::pin::pin;

use futures_util::StreamExt;

use super::update::update_line;
use super::{daemon, exit, format, small_runtime};
use crate::clock::Clock;
use crate::cloud::AuthState;
use crate::config::Config;
use crate::control::{CloudStatus, RadioStatus, Status};
use crate::measurement::UtcMicros;
use crate::outbox::{ClockStep, Room, RoomLimit, Salvage, SinkHold, Summary};
use crate::radio::RadioState;
use crate::sync::ClockStatus;
use crate::upload::{self, HoldReason, UploadState, UploadStatus};

pub use self::watches::in_a_line;

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
    if let Some(clock) = &status.clock {
        out.push_str(&clock_text(*clock));
    }
    if let Some(radio) = &status.radio {
        out.push_str(&radio_text(radio));
    }
    for watch in &status.watches {
        let _ = write!(out, "\n{}", watches::text(watch, now));
    }
    if status.watches.is_empty() {
        out.push_str(
            "\nno watch is configured or paired: nothing is collected; `nowbridge scan` shows those around",
        );
    }
    for update in &status.updates {
        let (watch, to) = (format::safe(&update.watch), format::safe(&update.to));
        let _ = write!(out, "\nupdate of {watch} to {to}: {}", update_line(update, now));
    }
    match &status.cloud {
        Some(cloud) => out.push_str(&cloud_text(cloud, now)),
        None if status.sinks.iter().any(|sink| sink.to.is_some()) => {
            out.push_str("\nno cloud is configured");
        }
        None => out.push_str("\nno cloud is configured: nothing is uploaded"),
    }
    let cloud = upload::nowatch();
    if let Some(told) = &status.cloud
        && let Some(sink) = status.sinks.iter().find(|sink| sink.name == cloud)
    {
        out.push_str(&sinks::out_of_turn(sink, Some(&told.upload)));
    }
    for sink in status.sinks.iter().filter(|sink| sink.name != cloud) {
        out.push_str(&sinks::text(sink, now));
    }
    if let Some(outbox) = &status.outbox {
        out.push_str(&outbox_text(outbox, &status.holders, now));
    }
    out
}

/// Nothing, as long as all is well.
fn clock_text(ClockStatus { trust, step }: ClockStatus) -> String {
    let mut out = if trust.is_believed() { String::new() } else { format!("\nclock: {trust}") };
    if let Some(ClockStep { by_us, left: left @ 1.., .. }) = step {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\nclock: it was set by {} s after some readings had been sent; those of {left} runs of a watch stay off by that",
            by_us / 1_000_000
        );
    }
    out
}

fn radio_text(RadioStatus { state, recovery }: &RadioStatus) -> String {
    let mut out = match state {
        RadioState::Ready => "\nradio: ready".to_owned(),
        RadioState::NotReady(trouble) => format!("\nradio: not ready: {trouble}"),
    };
    let tried = [
        (recovery.stop_discovery, "discovery stopped", "discoveries stopped"),
        (recovery.disconnect_watch, "watch disconnected", "watches disconnected"),
        (recovery.power_cycle, "power cycle", "power cycles"),
        (recovery.failed, "of these failed", "of these failed"),
    ];
    let tried: Vec<String> = tried
        .into_iter()
        .filter(|(times, ..)| *times > 0)
        .map(|(times, once, often)| {
            format!("{} {}", format::count(times), if times == 1 { once } else { often })
        })
        .collect();
    if !tried.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n  the radio was helped along: {}", tried.join(", "));
    }
    if recovery.stuck {
        out.push_str("\n  it is stuck, and nothing that may be tried helps; restart bluetooth.service or replug the adapter");
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
    let state = sinks::state(upload, now);
    let mut out = match (&cloud.auth, &upload.state) {
        (AuthState::Anonymous, UploadState::Holding { reason: HoldReason::Unavailable { .. }, .. }) => {
            format!("\ncloud {}: the first login has to wait; {state}", cloud.base_url)
        }
        _ => format!("\ncloud {}: {login}; {state}", cloud.base_url),
    };
    if let Some(at) = upload.last_receipt {
        let _ = write!(out, "; last receipt {}", format::relative(at, now));
    }
    out.push_str(&held_text(upload));
    out
}

fn held_text(upload: &UploadStatus) -> String {
    let mut out = String::new();
    if upload.held_synthetic > 0 {
        let held = format::count(upload.held_synthetic);
        let _ = write!(out, "\n  {held} simulated samples are held: they go no farther than this computer");
    }
    if upload.held_undated > 0 {
        let held = format::count(upload.held_undated);
        let _ = write!(out, "\n  {held} samples wait until the watch's clock has been compared with UTC");
    }
    if upload.quarantined > 0 {
        let held = format::count(upload.quarantined);
        let _ = write!(
            out,
            "\n  {held} samples are in quarantine, as their time cannot be believed; `nowbridge outbox list --quarantine` says why"
        );
    }
    out
}

fn hold_text(reason: &HoldReason) -> String {
    match reason {
        HoldReason::NeedsLogin { detail }
        | HoldReason::Unavailable { detail, .. }
        | HoldReason::WrongClock { detail }
        | HoldReason::Misdirected { detail }
        | HoldReason::Outbox { detail } => detail.clone(),
        HoldReason::NoConsent => {
            "the account does not consent to sharing data; switch it on in the account's settings".to_owned()
        }
        HoldReason::Refused { detail } => format!(
            "whatever is sent of a kind is refused ({detail}); all of it is kept, and a sample is tried now and then; look for a newer nowbridge"
        ),
    }
}

fn outbox_text(outbox: &Summary, holders: &[SinkHold], now: UtcMicros) -> String {
    let mut out = format!(
        "\noutbox {}, {} in the ledger as gaps, {} dead letters",
        format::bytes(outbox.database_bytes),
        format::count(outbox.gaps),
        format::count(outbox.dead_letters)
    );
    if let Some(newest) = outbox.newest_received {
        let _ = write!(out, ", newest block {}", format::relative(newest, now));
    }
    out.push_str(room_text(outbox.room));
    if let Some(told) = holder_text(holders, now) {
        let _ = write!(out, "\n  {told}");
    }
    if let Some(salvage) = &outbox.salvage {
        out.push_str(&salvage_text(salvage));
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

const fn room_text(room: Room) -> &'static str {
    match room {
        Room::Ample => "",
        Room::Near { limit: RoomLimit::Cap } => {
            "\n  it is nearly as large as it may be: history stays on the watch until something has been sent; see [outbox] max_size"
        }
        Room::Near { limit: RoomLimit::Disk } => {
            "\n  the disk is nearly full: history stays on the watch; make room, or see [outbox] keep_free"
        }
        Room::Full { limit: RoomLimit::Cap } => {
            "\n  it is as large as it may be: what is oldest makes way, and `nowbridge why` says what; see [outbox] max_size"
        }
        Room::Full { limit: RoomLimit::Disk } => {
            "\n  the disk is full: nothing more is taken until there is room, and the watch keeps it meanwhile; sending goes on"
        }
    }
}

/// Who keeps the room that is short.
pub fn holder_text(holders: &[SinkHold], now: UtcMicros) -> Option<String> {
    let most = holders.iter().find(|hold| hold.kept_bytes > 0)?;
    let since = most.since.map(|since| format!(", the oldest of it stored {}", format::relative(since, now)));
    Some(format!(
        "{} has still to be sent to {}{}; `nowbridge outbox sinks` shows what is kept for whom",
        format::bytes(most.kept_bytes),
        most.sink,
        since.unwrap_or_default()
    ))
}

pub fn salvage_text(salvage: &Salvage) -> String {
    let (file, fetched) = (&salvage.file, format::count(salvage.blocks));
    let mut out = format!("\n  a damaged database was moved aside to {file}: {fetched} blocks saved");
    if salvage.done {
        // Writing to a String cannot fail.
        let _ = write!(out, ", {} known to be lost", format::count(salvage.lost));
    } else {
        out.push_str(" so far");
    }
    if salvage.adrift > 0 {
        let logs = format::count(salvage.adrift);
        let _ = write!(
            out,
            "; of {logs} logs it is not known any more whose they are: they are kept, and what may be simulated is not sent"
        );
    }
    if !salvage.damaged_tables.is_empty() {
        let tables = salvage.damaged_tables.join(", ");
        let _ = write!(out, "; not all of its {tables} could be read; keep the file");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::RadioTrouble;
    use crate::sync::RecoveryCounts;

    #[test]
    fn a_radio_that_had_to_be_helped_says_so() {
        let quiet = RadioStatus { state: RadioState::Ready, recovery: RecoveryCounts::default() };
        assert_eq!(radio_text(&quiet), "\nradio: ready");
        let helped = RecoveryCounts { stop_discovery: 2, power_cycle: 1, ..RecoveryCounts::default() };
        let helped = RadioStatus { state: RadioState::Ready, recovery: helped };
        let stuck =
            RecoveryCounts { disconnect_watch: 1, failed: 1, stuck: true, ..RecoveryCounts::default() };
        let stuck = RadioStatus { state: RadioState::NotReady(RadioTrouble::AdapterOff), recovery: stuck };
        insta::assert_snapshot!(format!("{}{}", radio_text(&helped), radio_text(&stuck)), @r"

        radio: ready
          the radio was helped along: 2 discoveries stopped, 1 power cycle
        radio: not ready: the adapter is switched off; switch it on with `bluetoothctl power on`
          the radio was helped along: 1 watch disconnected, 1 of these failed
          it is stuck, and nothing that may be tried helps; restart bluetooth.service or replug the adapter
        ");
    }
}
