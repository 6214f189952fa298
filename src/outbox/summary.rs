//! The outbox at a glance.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::blocks::from_seconds;
use super::{Outbox, OutboxError, SinkName, batches, columns, database};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::Stream;

/// What the outbox holds, and what one sink has of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The random name that this database was given at birth.
    pub queue_id: Uuid,
    /// Bytes on the disk, with the write-ahead log.
    pub database_bytes: u64,
    /// Logs: eras of logs of watches.
    pub logs: u64,
    /// Each stream that has blocks, and each kind made from it.
    pub streams: Vec<StreamSummary>,
    /// Gaps on record.
    pub gaps: u64,
    /// Dead letters on record, of all sinks.
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
}

impl StreamSummary {
    /// Samples that wait to be sent: none, if the stream is stored only.
    pub const fn unsent(&self) -> u64 {
        if self.kind.is_none() {
            return 0;
        }
        self.samples.saturating_sub(self.uploaded + self.dead)
    }
}

impl Outbox {
    /// What the outbox holds, and what `sink` has of it.
    pub async fn summary(&self, sink: &SinkName) -> Result<Summary, OutboxError> {
        let (sink, queue_id, dir) = (sink.clone(), self.house.queue_id, self.house.dir.clone());
        self.read(move |tx| {
            let database_bytes = database::bytes_on_disk(&dir);
            let database_bytes = database_bytes.map_err(|source| OutboxError::CannotUse { dir, source })?;
            let streams = streams(tx, &sink)?;
            let (oldest_received, newest_received) = tx.query_row(sql!("block_ages"), [], |row| {
                let at =
                    |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(from_seconds));
                Ok((at("oldest_s")?, at("newest_s")?))
            })?;
            Ok(tx.query_row(sql!("totals"), [&sink], |row| {
                Ok(Summary {
                    queue_id,
                    database_bytes,
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

fn streams(tx: &Transaction<'_>, sink: &SinkName) -> rusqlite::Result<Vec<StreamSummary>> {
    let mut uploads = uploads(tx, sink)?;
    let mut totals = tx.prepare_cached(sql!("block_totals"))?;
    let stored = totals.query_map([], |row| {
        let stream: Stream = row.get("stream")?;
        let kind = stream.kind();
        let (blocks, samples) = (columns::count(row, "blocks")?, columns::count(row, "samples")?);
        let (uploaded, dead) = kind.and_then(|kind| uploads.remove(&kind)).unwrap_or_default();
        Ok(StreamSummary { stream, kind, blocks, samples, uploaded, dead })
    })?;
    let mut rows = stored.collect::<rusqlite::Result<Vec<_>>>()?;
    // What is left is made from the stream of another kind.
    for (kind, (uploaded, dead)) in uploads {
        let stream = batches::stream_of(kind);
        let source = rows.iter().find(|row| row.stream == stream).copied();
        rows.extend(source.map(|source| StreamSummary { kind: Some(kind), uploaded, dead, ..source }));
    }
    Ok(rows)
}

fn uploads(tx: &Transaction<'_>, sink: &SinkName) -> rusqlite::Result<BTreeMap<Kind, (u64, u64)>> {
    let mut totals = tx.prepare_cached(sql!("upload_totals"))?;
    let rows = totals.query_map([sink], |row| {
        Ok((row.get("kind")?, (columns::count(row, "sent")?, columns::count(row, "dead")?)))
    })?;
    rows.collect()
}
