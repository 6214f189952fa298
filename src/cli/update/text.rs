//! Updates in words.

use crate::cli::format;
use crate::control::{UpdateAnswer, UpdateStatus, UpdatesAnswer};
use crate::measurement::UtcMicros;
use crate::ota::Leave;
use crate::outbox::{UpdateRow, UpdateStep};

/// What to print of a reason.
const LONGEST: usize = 300;
/// How a line about an upload begins.
pub const UPLOADING: &str = "sending";

/// A request that was written down.
pub fn asked(answer: &UpdateAnswer) -> String {
    let from = answer.from.as_ref().map_or(String::new(), |from| format!(" from {}", format::safe(from)));
    format!(
        "Updating {}{from} to {} ({}).",
        format::safe(&answer.watch),
        format::safe(&answer.version),
        format::bytes(answer.size)
    )
}

/// What would be done.
pub fn dry_run(answer: &UpdateAnswer) -> String {
    let row = |check: &crate::control::CheckRow| {
        [check.name.clone(), check.verdict.clone(), format::safe_to(&check.detail, LONGEST)]
    };
    let checks = format::table(["check", "verdict", ""], &answer.checks.iter().map(row).collect::<Vec<_>>());
    let failed = answer.checks.iter().filter(|check| check.verdict == "failed").count();
    let (watch, version) = (format::safe(&answer.watch), format::safe(&answer.version));
    let sum = match (failed, &answer.gate) {
        (0, None) => format!("{watch} would be updated to {version} now."),
        (0, Some(gate)) => format!("{watch} would be updated to {version}, but not now: {gate}."),
        _ => format!("{watch} would not be updated to {version}: a check failed."),
    };
    format!("{checks}\n\n{sum}")
}

/// An update that is not over, in a line.
pub fn line(update: &UpdateStatus, now: UtcMicros) -> String {
    let detail = format::safe_to(&update.detail, LONGEST);
    if let Some(at) = update.not_before.filter(|at| *at > now) {
        return format!("waiting: {detail}; tried again {}", format::relative(at, now));
    }
    let to = format::safe(&update.to);
    let doing = match update.step {
        UpdateStep::Offered => "about to begin".to_owned(),
        UpdateStep::Gated => return format!("waiting: {detail}"),
        UpdateStep::Downloading | UpdateStep::Verified => "looking at the file".to_owned(),
        UpdateStep::Draining => "fetching what the watch has measured".to_owned(),
        UpdateStep::Preflight => "asking the watch what it has".to_owned(),
        UpdateStep::Uploading => uploading(update),
        UpdateStep::Testing => format!("telling the watch to try {to}"),
        UpdateStep::Rebooting => format!("waiting for the watch to start {to}"),
        UpdateStep::Checking => format!("looking whether the watch is well with {to}"),
        UpdateStep::Confirming => format!("telling the watch to keep {to}"),
        last => last.name().to_owned(),
    };
    let leave = match update.leave {
        Leave::Freely => "",
        Leave::AndWait => "; if the watch goes away, it waits",
        Leave::BetterNot => "; keep the watch near",
    };
    format!("{doing}{leave}")
}

fn uploading(update: &UpdateStatus) -> String {
    let percent = update.acked.saturating_mul(100).checked_div(update.total).unwrap_or(0);
    let rate = update.rate.map_or(String::new(), |rate| format!(", {}/s", format::bytes(rate)));
    let left = update.seconds_left.map_or(String::new(), |left| format!(", {} left", format::span(left)));
    format!(
        "{UPLOADING} {}: {percent} %, {} of {}{rate}{left}",
        format::safe(&update.to),
        format::bytes(update.acked),
        format::bytes(update.total)
    )
}

/// How it ended.
pub fn ended(watch: &str, row: &UpdateRow) -> String {
    let (watch, to, detail) =
        (format::safe(watch), format::safe(&row.to), format::safe_to(&row.detail, LONGEST));
    match row.step {
        UpdateStep::Done => format!("\n{watch} runs {to}, keeps it, and is well."),
        UpdateStep::Unconfirmed => format!("\n{watch} runs {to}: {detail}."),
        UpdateStep::Reverted => format!("\n{watch} went back: {detail}."),
        UpdateStep::Rejected => format!("\n{watch} did not take {to}: {detail}."),
        UpdateStep::Cancelled => format!("\nThe update of {watch} was called off."),
        _ => format!("\nThe update of {watch} to {to} failed: {detail}."),
    }
}

/// All that is known.
pub fn list(updates: &UpdatesAnswer, now: UtcMicros) -> String {
    let open = updates.open.iter().map(|update| {
        format!("{}: to {}: {}", format::safe(&update.watch), format::safe(&update.to), line(update, now))
    });
    let over = updates.latest.iter().map(|row| {
        let at = row.ended.map_or(String::new(), |at| format!(" {}", format::relative(at, now)));
        let detail = match format::safe_to(&row.detail, LONGEST) {
            none if none.is_empty() => none,
            detail => format!(": {detail}"),
        };
        format!("{}: to {}: {}{at}{detail}", row.device, format::safe(&row.to), row.step.name())
    });
    let lines: Vec<String> = open.chain(over).collect();
    if lines.is_empty() { "No watch was ever updated from here.".to_owned() } else { lines.join("\n") }
}
