//! Who keeps what from being freed, and giving up on a sink that will not come back.
//!
//! Blocks leave a log from its beginning, so that whoever waits for one keeps all behind it, too.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::backlog::backlog;
use super::blocks::from_seconds;
use super::removal::{self, Need};
use super::{LogKey, Outbox, OutboxError, SinkName, columns, logs};
use crate::measurement::UtcMicros;
use crate::wire::bridge::Seq;

/// What a sink keeps. Bytes are room on the disk, shared out over the blocks that are stored, so they are about right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkHold {
    /// The sink.
    pub sink: SinkName,
    /// Samples that wait to be sent to it, those in quarantine and those out of turn among them.
    pub waiting: u64,
    /// The room that their blocks take.
    pub waiting_bytes: u64,
    /// The room of everything that must stay for it.
    pub kept_bytes: u64,
    /// Of these, what stays for nobody else.
    pub alone_bytes: u64,
    /// When the oldest of what stays for it was stored; `None` if nothing does.
    pub since: Option<UtcMicros>,
}

/// A sink that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkEnd {
    /// The sink.
    pub sink: SinkName,
    /// When.
    pub at: UtcMicros,
    /// Samples that it had confirmed.
    pub sent: u64,
    /// Samples that it had refused for good.
    pub dead: u64,
    /// Samples that were never for it, or gone before it was their turn.
    pub missed: u64,
    /// Samples that waited for it, or were held back: these it never got.
    pub given_up: u64,
}

impl Outbox {
    /// What each sink on record keeps, the one that keeps most first.
    pub async fn sink_holds(&self) -> Result<Vec<SinkHold>, OutboxError> {
        self.read(|tx| {
            let mut holds: Vec<SinkHold> = Vec::new();
            let (per_block, logs) = (bytes_per_block(tx)?, logs::all(tx)?);
            for sink in removal::known(tx)? {
                let waiting = backlog(tx, &sink)?;
                let mut counts = tx.prepare_cached(sql!("sink_counts"))?;
                let aside = counts.query_row([&sink], |row| columns::count(row, "held"))?;
                let mut hold = SinkHold {
                    waiting: waiting.iter().map(|of| of.samples).sum::<u64>() + aside,
                    waiting_bytes: waiting.iter().map(|of| of.blocks).sum::<u64>() * per_block,
                    kept_bytes: 0,
                    alone_bytes: 0,
                    since: None,
                    sink,
                };
                for log in &logs {
                    let places = places(tx, log.key)?;
                    let Some(&own) = places.get(&hold.sink) else { continue };
                    let others = places.iter().filter(|(sink, _)| **sink != hold.sink);
                    let others = others.map(|(_, place)| *place).min().unwrap_or(Seq(u32::MAX));
                    let blocks = |from, upto| blocks_between(tx, log.key, from, upto);
                    hold.kept_bytes += blocks(own, Seq(u32::MAX))? * per_block;
                    hold.alone_bytes += if own < others { blocks(own, others)? * per_block } else { 0 };
                    let mut first = tx.prepare_cached(sql!("block_received_from"))?;
                    let first = first.query_row(params![log.key, own], |row| row.get(0)).optional()?;
                    hold.since = hold.since.into_iter().chain(first.map(from_seconds)).min();
                }
                holds.push(hold);
            }
            holds.sort_by_key(|hold| std::cmp::Reverse((hold.alone_bytes, hold.kept_bytes)));
            Ok(holds)
        })
        .await
    }

    /// Gives up on a sink: what waited for it waits no longer, what was noted of it goes, and one row says what it came to. `None` if
    /// there is no such sink.
    pub async fn forget_sink(&self, sink: &SinkName) -> Result<Option<SinkEnd>, OutboxError> {
        let (sink, now) = (sink.clone(), self.house.clock.now());
        self.write(move |tx| {
            if !removal::known(tx)?.contains(&sink) {
                return Ok(None);
            }
            let waiting: u64 = backlog(tx, &sink)?.iter().map(|of| of.samples).sum();
            let mut end = tx.prepare_cached(sql!("sink_counts"))?.query_row([&sink], |row| {
                Ok(SinkEnd {
                    sink: sink.clone(),
                    at: now,
                    sent: columns::count(row, "sent")?,
                    dead: columns::count(row, "dead")?,
                    missed: columns::count(row, "missed")?,
                    given_up: columns::count(row, "held")?,
                })
            })?;
            end.given_up += waiting;
            for delete in OF_A_SINK {
                tx.execute(delete, [&sink])?;
            }
            let SinkEnd { sent, dead, missed, given_up, .. } = end;
            let counts = [sent, dead, missed, given_up].map(u64::cast_signed);
            let [sent, dead, missed, given_up] = counts;
            let mut insert = tx.prepare_cached(sql!("sink_end_insert"))?;
            insert.execute(params![sink, now, sent, dead, missed, given_up])?;
            Ok(Some(end))
        })
        .await
    }

    /// The sinks that were given up since then, oldest first.
    pub async fn sink_ends(&self, since: UtcMicros) -> Result<Vec<SinkEnd>, OutboxError> {
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("sink_end_list"))?;
            let rows = list.query_map([since], |row| {
                Ok(SinkEnd {
                    sink: row.get("name")?,
                    at: row.get("at_us")?,
                    sent: columns::count(row, "sent")?,
                    dead: columns::count(row, "dead")?,
                    missed: columns::count(row, "missed")?,
                    given_up: columns::count(row, "given_up")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Everything that is of a sink, in an order in which nothing is left that refers to what is gone.
const OF_A_SINK: [&str; 8] = [
    sql!("sink_forget_receipts"),
    sql!("sink_forget_batches"),
    sql!("sink_forget_errands"),
    sql!("sink_forget_dead"),
    sql!("sink_forget_quarantine"),
    sql!("sink_forget_days"),
    sql!("sink_forget_cursors"),
    sql!("sink_forget"),
];

/// The first block of a log that must stay for each sink, if there is one.
fn places(tx: &Transaction<'_>, log: LogKey) -> Result<BTreeMap<SinkName, Seq>, OutboxError> {
    let mut places = BTreeMap::new();
    let mut keeps = |sink: &SinkName, place: Option<Seq>| {
        if let Some(place) = place {
            let known = places.entry(sink.clone()).or_insert(place);
            *known = place.min(*known);
        }
    };
    let needs = removal::needs(tx, log)?;
    for need in &needs {
        keeps(need.sink(), need.first(tx, log)?);
    }
    let mut asked = tx.prepare_cached(sql!("sink_pinned"))?;
    for sink in needs.iter().map(Need::sink) {
        keeps(sink, asked.query_row(params![log, sink], |row| row.get(0))?);
    }
    Ok(places)
}

fn blocks_between(tx: &Transaction<'_>, log: LogKey, from: Seq, upto: Seq) -> Result<u64, OutboxError> {
    let mut count = tx.prepare_cached(sql!("block_count_between"))?;
    Ok(count.query_row(params![log, from, upto], |row| columns::count(row, "blocks"))?)
}

fn bytes_per_block(tx: &Transaction<'_>) -> Result<u64, OutboxError> {
    let ask = |pragma| tx.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let pages = ask("page_count")?.saturating_sub(ask("freelist_count")?).cast_unsigned();
    let bytes = pages * ask("page_size")?.cast_unsigned();
    let blocks = tx.query_row(sql!("block_count"), [], |row| columns::count(row, "blocks"))?;
    Ok(bytes / blocks.max(1))
}
