//! The ledger: every hole, batch, receipt and dead letter, for those who ask why.

use bytes::Bytes;
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::{BatchKey, BatchState, EntryId, GapCause, LogKey, Outbox, OutboxError, SinkName, columns};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{Boot, DeviceId, Seq, Stream};

/// A gap on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRow {
    /// What it is called.
    pub id: EntryId,
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
    /// Samples that were stored and are there no more; of other causes nobody knows how many there were.
    pub samples: u64,
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
    /// The watch.
    pub device: DeviceId,
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

/// A batch on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRow {
    /// What it is called.
    pub id: EntryId,
    /// Where it goes.
    pub sink: SinkName,
    /// The log it is made from.
    pub log: LogKey,
    /// The watch.
    pub device: DeviceId,
    /// What it is sent as.
    pub kind: Kind,
    /// Its first block.
    pub first: Seq,
    /// Its last block.
    pub last: Seq,
    /// Samples in it.
    pub samples: u32,
    /// Rows in its CSV.
    pub rows: u32,
    /// What a receiver can tell a retry by.
    pub idempotency_key: String,
    /// What became of it.
    pub state: BatchState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was written down.
    pub created: UtcMicros,
    /// When it was last tried.
    pub last_attempt: Option<UtcMicros>,
    /// Why that did not work.
    pub last_error: Option<String>,
}

/// What a person had done with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resolution {
    /// It was asked to be sent again.
    Retried,
    /// It is to be left at that.
    Dropped,
}

impl Resolution {
    /// Every resolution.
    pub const ALL: [Self; 2] = [Self::Retried, Self::Dropped];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retried => "retried",
            Self::Dropped => "dropped",
        }
    }
}

/// A dead letter on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRow {
    /// What it is called.
    pub id: EntryId,
    /// The log.
    pub log: LogKey,
    /// The watch.
    pub device: DeviceId,
    /// Who refused it; `None` for a block that we could not take in.
    pub sink: Option<SinkName>,
    /// What it was sent as, if it was.
    pub kind: Option<Kind>,
    /// The stream, where it is known.
    pub stream: Option<Stream>,
    /// The block's number.
    pub seq: Seq,
    /// The first of its samples that is meant.
    pub skip: u32,
    /// The sample behind the last that is meant; `None`: all.
    pub upto: Option<u32>,
    /// Samples in it; 0 where that could not be read.
    pub samples: u32,
    /// Why.
    pub reason: String,
    /// The HTTP status, if a receiver refused.
    pub status: Option<u16>,
    /// What it answered.
    pub response: Option<String>,
    /// The block as it came.
    #[serde(with = "hex_digits")]
    pub body: Bytes,
    /// When.
    pub at: UtcMicros,
    /// What a person had done with it, if anything.
    pub resolution: Option<Resolution>,
    /// When.
    pub resolved: Option<UtcMicros>,
}

/// Something in quarantine: it has no time that can be believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRow {
    /// What it is called.
    pub id: EntryId,
    /// Who it is kept from.
    pub sink: SinkName,
    /// The log.
    pub log: LogKey,
    /// The watch.
    pub device: DeviceId,
    /// What it is to be sent as.
    pub kind: Kind,
    /// The first block.
    pub first: Seq,
    /// The last block.
    pub last: Seq,
    /// The boot whose clock is not believed.
    pub boot: Boot,
    /// How many samples.
    pub samples: u64,
    /// Why, in a word.
    pub cause: String,
    /// Whatever helps to understand it.
    pub detail: String,
    /// Since when.
    pub at: UtcMicros,
    /// When it was let go.
    pub released: Option<UtcMicros>,
}

/// Which entries of a sort.
#[derive(Clone, Copy, Debug)]
pub struct Which {
    /// At most so many, the newest.
    pub limit: u32,
    /// Only this one.
    pub number: Option<i64>,
    /// Only those since then.
    pub since: UtcMicros,
}

impl Which {
    /// The newest.
    pub const fn newest(limit: u32) -> Self {
        Self { limit, number: None, since: UtcMicros(i64::MIN) }
    }

    /// Only one.
    pub const fn only(number: i64) -> Self {
        Self { limit: 1, number: Some(number), since: UtcMicros(i64::MIN) }
    }

    /// The newest since then.
    pub const fn since(since: UtcMicros, limit: u32) -> Self {
        Self { limit, number: None, since }
    }
}

impl Outbox {
    /// The newest gaps, newest first.
    pub async fn gaps(&self, limit: u32) -> Result<Vec<GapRow>, OutboxError> {
        self.gaps_of(Which::newest(limit)).await
    }

    /// The receipts of the newest batches, newest batch first.
    pub async fn receipts(&self, limit: u32) -> Result<Vec<ReceiptRow>, OutboxError> {
        self.receipts_of(Which::newest(limit)).await
    }

    /// The newest dead letters, newest first.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadRow>, OutboxError> {
        self.dead_letters_of(Which::newest(limit)).await
    }

    /// Gaps, newest first.
    pub async fn gaps_of(&self, which: Which) -> Result<Vec<GapRow>, OutboxError> {
        self.list(sql!("gap_list"), which, gap).await
    }

    /// Receipts, newest batch first; a number is that of the batch.
    pub async fn receipts_of(&self, which: Which) -> Result<Vec<ReceiptRow>, OutboxError> {
        self.list(sql!("receipt_list"), which, receipt).await
    }

    /// Dead letters, newest first.
    pub async fn dead_letters_of(&self, which: Which) -> Result<Vec<DeadRow>, OutboxError> {
        self.list(sql!("dead_list"), which, dead).await
    }

    /// Batches, newest first.
    pub async fn batches_of(&self, which: Which) -> Result<Vec<BatchRow>, OutboxError> {
        self.list(sql!("batch_list"), which, batch).await
    }

    /// What is or was in quarantine, newest first; since: when it was let go, if it was.
    pub async fn quarantine_of(&self, which: Which) -> Result<Vec<QuarantineRow>, OutboxError> {
        self.list(sql!("quarantine_page"), which, quarantine).await
    }

    /// Everybody who is or was sent to.
    pub async fn sink_names(&self) -> Result<Vec<SinkName>, OutboxError> {
        self.read(|tx| {
            let mut list = tx.prepare_cached(sql!("sink_names"))?;
            Ok(list.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn list<T: Send + 'static>(
        &self,
        query: &'static str,
        Which { limit, number, since }: Which,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, OutboxError> {
        self.read(move |tx| {
            let mut list = tx.prepare_cached(query)?;
            Ok(list.query_map(params![limit, number, since], read)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn gap(row: &Row<'_>) -> rusqlite::Result<GapRow> {
    Ok(GapRow {
        id: EntryId::Gap(row.get("id")?),
        log: row.get("log")?,
        device: row.get("device_id")?,
        stream: row.get("stream")?,
        from: row.get("from_seq")?,
        to: row.get("to_seq")?,
        cause: row.get("cause")?,
        detail: row.get("detail")?,
        samples: columns::count(row, "samples")?,
        at: row.get("at_us")?,
    })
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<ReceiptRow> {
    Ok(ReceiptRow {
        batch: row.get("batch")?,
        sink: row.get("sink")?,
        log: row.get("log")?,
        device: row.get("device_id")?,
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

fn batch(row: &Row<'_>) -> rusqlite::Result<BatchRow> {
    Ok(BatchRow {
        id: EntryId::Batch(row.get("id")?),
        sink: row.get("sink")?,
        log: row.get("log")?,
        device: row.get("device_id")?,
        kind: row.get("kind")?,
        first: row.get("first_seq")?,
        last: row.get("last_seq")?,
        samples: row.get("samples")?,
        rows: row.get("rows")?,
        idempotency_key: row.get("idempotency_key")?,
        state: row.get("state")?,
        attempts: row.get("attempts")?,
        created: row.get("created_us")?,
        last_attempt: row.get("last_attempt_us")?,
        last_error: row.get("last_error")?,
    })
}

fn quarantine(row: &Row<'_>) -> rusqlite::Result<QuarantineRow> {
    Ok(QuarantineRow {
        id: EntryId::Quarantine(row.get("id")?),
        sink: row.get("sink")?,
        log: row.get("log")?,
        device: row.get("device_id")?,
        kind: row.get("kind")?,
        first: row.get("first_seq")?,
        last: row.get("last_seq")?,
        boot: row.get("boot")?,
        samples: columns::count(row, "samples")?,
        cause: row.get("cause")?,
        detail: row.get("detail")?,
        at: row.get("at_us")?,
        released: row.get("released_us")?,
    })
}

fn dead(row: &Row<'_>) -> rusqlite::Result<DeadRow> {
    Ok(DeadRow {
        id: EntryId::Dead(row.get("id")?),
        log: row.get("log")?,
        device: row.get("device_id")?,
        sink: row.get("sink")?,
        kind: row.get("kind")?,
        stream: row.get("stream")?,
        seq: row.get("seq")?,
        skip: row.get("skip")?,
        upto: row.get("upto")?,
        samples: row.get("samples")?,
        reason: row.get("reason")?,
        status: row.get("status")?,
        response: row.get("response")?,
        body: row.get::<_, Vec<u8>>("body")?.into(),
        at: row.get("at_us")?,
        resolution: row.get("resolution")?,
        resolved: row.get("resolved_us")?,
    })
}

/// Bytes as JSON has them.
mod hex_digits {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let digits = String::deserialize(deserializer)?;
        hex::decode(digits).map(Bytes::from).map_err(de::Error::custom)
    }
}
