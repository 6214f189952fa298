//! The ledger: every hole, receipt and dead letter, for those who ask why.

use bytes::Bytes;
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::{BatchKey, GapCause, LogKey, Outbox, OutboxError, SinkName, columns};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{DeviceId, Seq, Stream};

/// A gap on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRow {
    /// The log.
    pub log: LogKey,
    /// The watch.
    pub device: DeviceId,
    /// The stream, where it is known.
    pub stream: Option<Stream>,
    /// The first number missing.
    pub from: Seq,
    /// The last number missing.
    pub to: Seq,
    /// Why.
    pub cause: GapCause,
    /// Whatever helps to understand it.
    pub detail: String,
    /// When it was found.
    pub at: UtcMicros,
}

/// A receipt on record, with the batch it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRow {
    /// The batch.
    pub batch: BatchKey,
    /// Who confirmed.
    pub sink: SinkName,
    /// The log it was made from.
    pub log: LogKey,
    /// What it was sent as.
    pub kind: Kind,
    /// Its first block.
    pub first: Seq,
    /// Its last block.
    pub last: Seq,
    /// Samples in its blocks.
    pub samples: u32,
    /// Rows in its CSV.
    pub rows: u32,
    /// The HTTP status.
    pub status: u16,
    /// What the receiver answered.
    pub body: String,
    /// How many bytes were sent, as they went out.
    pub bytes: u64,
    /// When.
    pub at: UtcMicros,
}

/// A dead letter on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRow {
    /// The log.
    pub log: LogKey,
    /// Who refused it; `None` for a block that we could not take in.
    pub sink: Option<SinkName>,
    /// What it was sent as, if it was.
    pub kind: Option<Kind>,
    /// The stream, where it is known.
    pub stream: Option<Stream>,
    /// The block's number.
    pub seq: Seq,
    /// Samples in it; 0 where that could not be read.
    pub samples: u32,
    /// Why.
    pub reason: String,
    /// The HTTP status, if a receiver refused.
    pub status: Option<u16>,
    /// What it answered.
    pub response: Option<String>,
    /// The block as it came.
    pub body: Bytes,
    /// When.
    pub at: UtcMicros,
}

impl Outbox {
    /// The newest gaps, newest first.
    pub async fn gaps(&self, limit: u32) -> Result<Vec<GapRow>, OutboxError> {
        self.list(sql!("gap_list"), limit, gap).await
    }

    /// The receipts of the newest batches, newest batch first.
    pub async fn receipts(&self, limit: u32) -> Result<Vec<ReceiptRow>, OutboxError> {
        self.list(sql!("receipt_list"), limit, receipt).await
    }

    /// The newest dead letters, newest first.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadRow>, OutboxError> {
        self.list(sql!("dead_list"), limit, dead).await
    }

    /// Whether a block was given up on its way to a sink.
    pub async fn is_dead(
        &self,
        sink: &SinkName,
        log: LogKey,
        kind: Kind,
        seq: Seq,
    ) -> Result<bool, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| {
            let mut find = tx.prepare_cached(sql!("dead_has"))?;
            Ok(find.query_row((sink, log, kind, seq), |row| row.get(0))?)
        })
        .await
    }

    async fn list<T: Send + 'static>(
        &self,
        query: &'static str,
        limit: u32,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, OutboxError> {
        self.read(move |tx| {
            let mut list = tx.prepare_cached(query)?;
            Ok(list.query_map([limit], read)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn gap(row: &Row<'_>) -> rusqlite::Result<GapRow> {
    Ok(GapRow {
        log: row.get("log")?,
        device: row.get("device_id")?,
        stream: row.get("stream")?,
        from: row.get("from_seq")?,
        to: row.get("to_seq")?,
        cause: row.get("cause")?,
        detail: row.get("detail")?,
        at: row.get("at_us")?,
    })
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<ReceiptRow> {
    Ok(ReceiptRow {
        batch: row.get("batch")?,
        sink: row.get("sink")?,
        log: row.get("log")?,
        kind: row.get("kind")?,
        first: row.get("first_seq")?,
        last: row.get("last_seq")?,
        samples: row.get("samples")?,
        rows: row.get("rows")?,
        status: row.get("status")?,
        body: row.get("body")?,
        bytes: columns::count(row, "zip_bytes")?,
        at: row.get("at_us")?,
    })
}

fn dead(row: &Row<'_>) -> rusqlite::Result<DeadRow> {
    Ok(DeadRow {
        log: row.get("log")?,
        sink: row.get("sink")?,
        kind: row.get("kind")?,
        stream: row.get("stream")?,
        seq: row.get("seq")?,
        samples: row.get("samples")?,
        reason: row.get("reason")?,
        status: row.get("status")?,
        response: row.get("response")?,
        body: row.get::<_, Vec<u8>>("body")?.into(),
        at: row.get("at_us")?,
    })
}
