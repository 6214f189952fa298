//! The outbox at a glance.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::blocks::from_seconds;
use super::{Outbox, OutboxError, Room, Salvage, SinkName, batches, columns, database, salvage};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::Stream;

/// What the outbox holds, and what one sink has of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The random name that this database was given at birth.
    pub queue_id: Uuid,
    /// Bytes on the disk, with the write-ahead log.
    pub database_bytes: u64,
    /// Bytes of the write-ahead log in it.
    pub wal_bytes: u64,
    /// How often the write-ahead log could not be folded in time because another program read for long, since the start.
    pub wal_starved: u64,
    /// How much room there is.
    #[serde(default)]
    pub room: Room,
    /// What was fetched from a damaged database, if one had to be moved aside.
    #[serde(default)]
    pub salvage: Option<Salvage>,
    /// Logs: eras of logs of watches.
    pub logs: u64,
    /// Each stream that has blocks, and each kind made from it.
    pub streams: Vec<StreamSummary>,
    /// Gaps on record.
    pub gaps: u64,
    /// Samples freed after everyone had them.
    pub freed_samples: u64,
    /// Samples given up for want of room; each is in a gap.
    pub evicted_samples: u64,
    /// Dead letters that nobody has decided on, of all sinks.
    pub dead_letters: u64,
    /// Batches under way, to all sinks.
    pub open_batches: u64,
    /// When the sink last confirmed a batch.
    pub last_receipt: Option<UtcMicros>,
    /// When the first block we hold was stored, to the second.
    pub oldest_received: Option<UtcMicros>,
    /// When the last block was stored, to the second.
    pub newest_received: Option<UtcMicros>,
}

/// What the outbox holds of one stream, and what the sink has of it as one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSummary {
    /// The stream.
    pub stream: Stream,
    /// What it is sent as; `None` is stored only.
    pub kind: Option<Kind>,
    /// Blocks stored.
    pub blocks: u64,
    /// Samples stored.
    pub samples: u64,
    /// Samples that the sink has confirmed.
    pub uploaded: u64,
    /// Samples that the sink has refused for good.
    pub dead: u64,
    /// Samples held back until their time is known.
    #[serde(default)]
    pub held: u64,
    /// Samples that the sink will never get: evicted, or older than the sink.
    #[serde(default)]
    pub missed: u64,
    /// Samples that were stored and are no longer, freed or evicted.
    #[serde(default)]
    pub removed: u64,
}

impl StreamSummary {
    /// Samples that wait to be sent: none, if the stream is stored only.
    pub const fn unsent(&self) -> u64 {
        if self.kind.is_none() {
            return 0;
        }
        let gone =
            self.uploaded.saturating_add(self.dead).saturating_add(self.held).saturating_add(self.missed);
        self.accepted().saturating_sub(gone)
    }

    /// Samples that were ever stored.
    pub const fn accepted(&self) -> u64 {
        self.samples.saturating_add(self.removed)
    }
}

impl Outbox {
    /// What the outbox holds, and what `sink` has of it.
    pub async fn summary(&self, sink: &SinkName) -> Result<Summary, OutboxError> {
        let (sink, queue_id, dir) = (sink.clone(), self.house.queue_id, self.house.dir.clone());
        let (room, wal_starved) = (*self.house.room.borrow(), self.house.log.starved.load(Ordering::Relaxed));
        self.read(move |tx| {
            let database_bytes = database::bytes_on_disk(&dir);
            let wal_bytes = database::wal_bytes(&dir).and_then(|wal| Ok((wal, database_bytes?)));
            let (wal_bytes, database_bytes) =
                wal_bytes.map_err(|source| OutboxError::CannotUse { dir, source })?;
            let removed = |why: &str| {
                tx.query_row(sql!("removed_why"), [why], |row| row.get(0).map(i64::cast_unsigned))
            };
            let (freed_samples, evicted_samples) = (removed("freed")?, removed("evicted")?);
            let (streams, salvage) = (streams(tx, &sink)?, salvage::known(tx)?);
            let (oldest_received, newest_received) = tx.query_row(sql!("block_ages"), [], |row| {
                let at =
                    |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(from_seconds));
                Ok((at("oldest_s")?, at("newest_s")?))
            })?;
            Ok(tx.query_row(sql!("totals"), [&sink], |row| {
                Ok(Summary {
                    queue_id,
                    database_bytes,
                    wal_bytes,
                    wal_starved,
                    room,
                    salvage,
                    freed_samples,
                    evicted_samples,
                    logs: columns::count(row, "logs")?,
                    streams,
                    gaps: columns::count(row, "gaps")?,
                    dead_letters: columns::count(row, "dead")?,
                    open_batches: columns::count(row, "open_batches")?,
                    last_receipt: row.get("last_receipt_us")?,
                    oldest_received,
                    newest_received,
                })
            })?)
        })
        .await
    }
}

/// What became of a kind on its way to a sink.
#[derive(Clone, Copy, Default)]
struct Ways {
    uploaded: u64,
    dead: u64,
    held: u64,
    missed: u64,
}

fn streams(tx: &Transaction<'_>, sink: &SinkName) -> rusqlite::Result<Vec<StreamSummary>> {
    let mut uploads = uploads(tx, sink)?;
    let mut stored = stored(tx)?;
    for (stream, removed) in removed(tx)? {
        stored.entry(stream).or_default().2 = removed;
    }
    let row = |(stream, (blocks, samples, removed)): (Stream, _), kind, ways: Ways| {
        let Ways { uploaded, dead, held, missed } = ways;
        StreamSummary { stream, kind, blocks, samples, uploaded, dead, held, missed, removed }
    };
    let mut rows: Vec<_> = stored
        .into_iter()
        .map(|(stream, counts)| {
            let kind = stream.kind();
            let ways = kind.and_then(|kind| uploads.remove(&kind)).unwrap_or_default();
            row((stream, counts), kind, ways)
        })
        .collect();
    // What is left is made from the stream of another kind.
    for (kind, ways) in uploads {
        let stream = batches::stream_of(kind);
        let source = rows.iter().find(|row| row.stream == stream).copied();
        let source = source.map(|source| (stream, (source.blocks, source.samples, source.removed)));
        rows.extend(source.map(|source| row(source, Some(kind), ways)));
    }
    Ok(rows)
}

/// Blocks and samples by stream; removed ones are added later.
fn stored(tx: &Transaction<'_>) -> rusqlite::Result<BTreeMap<Stream, (u64, u64, u64)>> {
    let mut totals = tx.prepare_cached(sql!("block_totals"))?;
    let rows = totals.query_map([], |row| {
        Ok((row.get("stream")?, (columns::count(row, "blocks")?, columns::count(row, "samples")?, 0)))
    })?;
    rows.collect()
}

fn removed(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(Stream, u64)>> {
    let mut totals = tx.prepare_cached(sql!("removed_totals"))?;
    let rows = totals.query_map([], |row| Ok((row.get("stream")?, columns::count(row, "samples")?)))?;
    rows.collect()
}

fn uploads(tx: &Transaction<'_>, sink: &SinkName) -> rusqlite::Result<BTreeMap<Kind, Ways>> {
    let mut totals = tx.prepare_cached(sql!("upload_totals"))?;
    let rows = totals.query_map([sink], |row| {
        let count = |column| columns::count(row, column);
        let (uploaded, dead) = (count("sent")?, count("dead")?);
        Ok((row.get("kind")?, Ways { uploaded, dead, held: count("held")?, missed: count("missed")? }))
    })?;
    rows.collect()
}
