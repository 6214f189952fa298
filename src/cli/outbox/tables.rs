//! Lists of entries.

use jiff::tz::TimeZone;

use crate::cli::why::stream_name;
use crate::cli::{format, instant};
use crate::measurement::{Kind, UtcMicros};
use crate::outbox::{BatchRow, DeadRow, Entries, GapRow, QuarantineRow, ReceiptRow};
use crate::wire::bridge::Seq;

/// Letters of an answer that a list has room for.
const WORDS: usize = 60;

/// The list, newest first.
pub fn table(entries: &Entries) -> String {
    let zone = TimeZone::system();
    table_in(entries, &zone)
}

fn table_in(entries: &Entries, zone: &TimeZone) -> String {
    let when = |at: UtcMicros| instant::at(at, zone);
    match entries {
        Entries::Dead(rows) if rows.is_empty() => "No dead letters.".to_owned(),
        Entries::Gaps(rows) if rows.is_empty() => "No gaps.".to_owned(),
        Entries::Batches(rows) if rows.is_empty() => "No batches.".to_owned(),
        Entries::Receipts(rows) if rows.is_empty() => "No receipts.".to_owned(),
        Entries::Quarantine(rows) if rows.is_empty() => "Nothing is in quarantine.".to_owned(),
        Entries::Dead(rows) => {
            let row = |row: &DeadRow| {
                let kind = row.kind.map(|kind| kind.to_string());
                let what = kind.or_else(|| row.stream.map(stream_name)).unwrap_or_default();
                let sink = row.sink.as_ref().map(|sink| sink.0.clone()).unwrap_or_default();
                let state = row.resolution.map_or_else(|| "open".to_owned(), |it| it.to_string());
                let said = format::safe_to(row.response.as_deref().unwrap_or(&row.reason), WORDS);
                [row.id.to_string(), when(row.at), sink, what, row.samples.to_string(), state, said]
            };
            let heading = ["id", "since", "sink", "what", "samples", "state", "said"];
            format::table(heading, &rows.iter().map(row).collect::<Vec<_>>())
        }
        Entries::Gaps(rows) => {
            let row = |row: &GapRow| {
                let stream = row.stream.map(stream_name).unwrap_or_default();
                let detail = format::safe_to(&row.detail, WORDS);
                let cause = row.cause.to_string();
                [row.id.to_string(), when(row.at), range(row.from, row.to), stream, cause, detail]
            };
            let heading = ["id", "found", "blocks", "stream", "cause", "detail"];
            format::table(heading, &rows.iter().map(row).collect::<Vec<_>>())
        }
        Entries::Batches(rows) => {
            let row = |row: &BatchRow| {
                let said = format::safe_to(row.last_error.as_deref().unwrap_or_default(), WORDS);
                let (state, attempts) = (row.state.to_string(), row.attempts.to_string());
                let what = [row.sink.0.clone(), row.kind.to_string(), row.rows.to_string()];
                let [sink, kind, rows] = what;
                [row.id.to_string(), when(row.created), sink, kind, rows, state, attempts, said]
            };
            let heading = ["id", "since", "sink", "kind", "rows", "state", "attempts", "last error"];
            format::table(heading, &rows.iter().map(row).collect::<Vec<_>>())
        }
        Entries::Receipts(rows) => {
            let row = |row: &ReceiptRow| {
                let (kind, rows) = (row.kind.to_string(), row.rows.to_string());
                let said = format::safe_to(&row.body, WORDS);
                let (sink, status) = (row.sink.0.clone(), row.status.to_string());
                [format!("b{}", row.batch), when(row.at), sink, kind, rows, status, said]
            };
            let heading = ["batch", "at", "sink", "kind", "rows", "status", "said"];
            format::table(heading, &rows.iter().map(row).collect::<Vec<_>>())
        }
        Entries::Quarantine(rows) => {
            let row = |row: &QuarantineRow| {
                let state =
                    row.released.map_or_else(|| "held".to_owned(), |at| format!("let go {}", when(at)));
                let (kind, samples): (Kind, _) = (row.kind, row.samples.to_string());
                let cause = row.cause.replace('_', " ");
                [
                    row.id.to_string(),
                    when(row.at),
                    kind.to_string(),
                    samples,
                    row.boot.to_string(),
                    cause,
                    state,
                ]
            };
            let heading = ["id", "since", "kind", "samples", "boot", "cause", "state"];
            format::table(heading, &rows.iter().map(row).collect::<Vec<_>>())
        }
    }
}

fn range(from: Seq, to: Seq) -> String {
    if from == to { from.to_string() } else { format!("{from}–{to}") }
}
