//! The places that measurements are sent to: since when each is known, how far back it began, and whether it rests.
//!
//! A sink is remembered by its name, also while it is not configured: its cursors stay, and when it comes back it goes on where it was.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{LogKey, Outbox, OutboxError, SinkName, columns, logs};
use crate::config::SinkStart;
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{STREAMS, Stream};

/// A sink on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkRow {
    /// Its name.
    pub name: SinkName,
    /// When it was first seen.
    pub added: UtcMicros,
    /// What was stored before this is not for it; `None`: everything is.
    pub since: Option<UtcMicros>,
    /// Since when it rests; `None` if it does not.
    pub paused: Option<UtcMicros>,
}

/// What a sink has had, in samples, and what it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkCounts {
    /// Waiting to be sent.
    pub waiting: u64,
    /// When we stored the oldest of these, to the second.
    pub waiting_since: Option<UtcMicros>,
    /// Confirmed.
    pub sent: u64,
    /// Refused for good.
    pub dead: u64,
    /// Kept back, as their time cannot be believed.
    pub held: u64,
    /// Never for it: older than the sink, or gone before it was their turn.
    pub missed: u64,
    /// When it last confirmed something.
    pub last_receipt: Option<UtcMicros>,
}

impl Outbox {
    /// Remembers a sink. One that was not there before begins where `start` says, which is settled here once and for all; one that
    /// was goes on where it is.
    pub async fn register_sink(&self, sink: &SinkName, start: SinkStart) -> Result<SinkRow, OutboxError> {
        let (sink, now) = (sink.clone(), self.house.clock.now());
        self.write(move |tx| {
            if let Some(known) = get(tx, &sink)? {
                return Ok(known);
            }
            let since = since(start, now);
            tx.prepare_cached(sql!("sink_insert"))?.execute(params![sink, now, since])?;
            if let Some(since) = since {
                // What is stored in the very second of "now" was stored before; what is in that of "7d ago" may be for it.
                let from_s = if start == SinkStart::Now { i64::MAX } else { since.seconds().0 };
                begin(tx, &sink, from_s)?;
            }
            miss_removed(tx, &sink)?;
            Ok(SinkRow { name: sink, added: now, since, paused: None })
        })
        .await
    }

    /// Lets a sink that is on record rest, or go on. Its cursors stay where they are.
    pub async fn pause_sink(&self, sink: &SinkName, paused: bool) -> Result<Option<SinkRow>, OutboxError> {
        let (sink, now) = (sink.clone(), self.house.clock.now());
        self.write(move |tx| {
            tx.prepare_cached(sql!("sink_pause"))?.execute(params![sink, paused, now])?;
            get(tx, &sink)
        })
        .await
    }

    /// Every sink on record, configured or not, in the order in which they were first seen.
    pub async fn sinks(&self) -> Result<Vec<SinkRow>, OutboxError> {
        self.read(|tx| {
            Ok(tx.prepare_cached(sql!("sink_list"))?.query_map([], row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// What a sink has had, and what it waits for.
    pub async fn sink_counts(&self, sink: &SinkName) -> Result<SinkCounts, OutboxError> {
        let waiting = self.backlog(sink).await?;
        let sink = sink.clone();
        let counts = self.read(move |tx| {
            let mut counts = tx.prepare_cached(sql!("sink_counts"))?;
            Ok(counts.query_row([sink], |row| {
                Ok(SinkCounts {
                    sent: columns::count(row, "sent")?,
                    dead: columns::count(row, "dead")?,
                    held: columns::count(row, "held")?,
                    missed: columns::count(row, "missed")?,
                    last_receipt: row.get("last_receipt_us")?,
                    ..SinkCounts::default()
                })
            })?)
        });
        Ok(SinkCounts {
            waiting: waiting.iter().map(|backlog| backlog.samples).sum(),
            waiting_since: waiting.iter().map(|backlog| backlog.oldest_received).min(),
            ..counts.await?
        })
    }
}

fn since(start: SinkStart, now: UtcMicros) -> Option<UtcMicros> {
    match start {
        SinkStart::All => None,
        SinkStart::Now => Some(now),
        SinkStart::Back(back) => {
            Some(UtcMicros(now.0.saturating_sub(i64::try_from(back.as_micros()).unwrap_or(i64::MAX))))
        }
    }
}

fn begin(tx: &Transaction<'_>, sink: &SinkName, from_s: i64) -> Result<(), OutboxError> {
    let mut begin = tx.prepare_cached(sql!("sink_begin"))?;
    for log in logs::all(tx)? {
        for (stream, kind) in STREAMS.iter().filter_map(|info| Some((info.stream, info.kind?))) {
            let values: (&SinkName, LogKey, Stream, Kind, i64) = (sink, log.key, stream, kind, from_s);
            begin.execute(values)?;
        }
    }
    Ok(())
}

/// What was freed or evicted before a sink was there is nothing that it could wait for. Whoever sent something before it was ever
/// registered has had its part of that, and is left alone.
fn miss_removed(tx: &Transaction<'_>, sink: &SinkName) -> Result<(), OutboxError> {
    let mut miss = tx.prepare_cached(sql!("sink_miss_removed"))?;
    for log in logs::all(tx)? {
        for (stream, kind) in STREAMS.iter().filter_map(|info| Some((info.stream, info.kind?))) {
            let values: (&SinkName, LogKey, Stream, Kind) = (sink, log.key, stream, kind);
            miss.execute(values)?;
        }
    }
    Ok(())
}

fn get(tx: &Transaction<'_>, sink: &SinkName) -> Result<Option<SinkRow>, OutboxError> {
    Ok(tx.prepare_cached(sql!("sink_get"))?.query_row([sink], row).optional()?)
}

fn row(row: &Row<'_>) -> rusqlite::Result<SinkRow> {
    Ok(SinkRow {
        name: row.get("name")?,
        added: row.get("added_us")?,
        since: row.get("since_us")?,
        paused: row.get("paused_us")?,
    })
}
