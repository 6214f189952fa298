//! Batches: what is about to be sent, written down first, so that a retry after any crash sends the same bytes under the
//! same key.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AnchorKey, BatchKey, LogKey, Outbox, OutboxError, SinkName, columns};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{Seq, Stream};

/// A batch to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// Where it goes.
    pub sink: SinkName,
    /// The log it is made from.
    pub log: LogKey,
    /// What it is sent as.
    pub kind: Kind,
    /// Its first block: the oldest unsent one.
    pub first: Seq,
    /// Its last block.
    pub last: Seq,
    /// The newest anchor its times were computed with.
    pub anchor_horizon: Option<AnchorKey>,
    /// Rows in its CSV.
    pub rows: u32,
    /// The hash of its CSV.
    pub csv_sha256: [u8; 32],
}

/// A batch on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its number.
    pub key: BatchKey,
    /// Where it goes.
    pub sink: SinkName,
    /// The log it is made from.
    pub log: LogKey,
    /// What it is sent as.
    pub kind: Kind,
    /// Its first block.
    pub first: Seq,
    /// Its last block.
    pub last: Seq,
    /// The newest anchor its times were computed with; a retry uses none newer.
    pub anchor_horizon: Option<AnchorKey>,
    /// Samples in its blocks.
    pub samples: u32,
    /// Rows in its CSV.
    pub rows: u32,
    /// The hash of its CSV; a retry that yields another must not be sent under this key.
    pub csv_sha256: [u8; 32],
    /// What the receiver can tell a retry by.
    pub idempotency_key: Uuid,
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

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchState {
    /// It is to be sent; whether the receiver has it is not known.
    Open,
    /// The receiver confirmed it.
    Sent,
    /// A smaller one took its place.
    Recut,
    /// It was given up; its blocks are dead letters.
    Dead,
}

impl BatchState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Sent, Self::Recut, Self::Dead];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sent => "sent",
            Self::Recut => "recut",
            Self::Dead => "dead",
        }
    }
}

impl Batch {
    /// The stream that its blocks are of.
    pub fn stream(&self) -> Stream {
        stream_of(self.kind)
    }
}

impl Outbox {
    /// Writes a batch down. Only then may its first byte be sent.
    pub async fn persist_batch(&self, batch: NewBatch) -> Result<Batch, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| insert(tx, &batch, now)).await
    }

    /// The batch that is under way for a sink, log and kind. There is at most one.
    pub async fn open_batch(
        &self,
        sink: &SinkName,
        log: LogKey,
        kind: Kind,
    ) -> Result<Option<Batch>, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| find_open(tx, &sink, log, kind)).await
    }

    /// Notes that sending was tried and why it did not work. The batch stays open.
    pub async fn note_attempt(&self, batch: BatchKey, error: String) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            get_open(tx, batch)?;
            note(tx, batch, now, Some(&error))
        })
        .await
    }

    /// Replaces an open batch by one that begins with the same block and ends no later.
    pub async fn recut(&self, batch: BatchKey, smaller: NewBatch) -> Result<Batch, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let old = get_open(tx, batch)?;
            let is_same_place = (&old.sink, old.log, old.kind, old.first)
                == (&smaller.sink, smaller.log, smaller.kind, smaller.first);
            if !is_same_place || smaller.last > old.last {
                return Err(OutboxError::NotARecut(batch));
            }
            set_state(tx, batch, BatchState::Recut)?;
            insert(tx, &smaller, now)
        })
        .await
    }
}

/// The stream whose blocks a kind is made from. The graph is the one kind without a stream of its own.
pub(super) fn stream_of(kind: Kind) -> Stream {
    Stream::of_kind(kind).unwrap_or(Stream::HEART_RATE)
}

pub(super) fn get_open(tx: &Transaction<'_>, key: BatchKey) -> Result<Batch, OutboxError> {
    let found = tx.prepare_cached(sql!("batch_get"))?.query_row([key], batch).optional()?;
    match found.ok_or(OutboxError::UnknownBatch(key))? {
        open if open.state == BatchState::Open => Ok(open),
        closed => Err(OutboxError::NotOpen { batch: key, state: closed.state }),
    }
}

pub(super) fn set_state(tx: &Transaction<'_>, key: BatchKey, state: BatchState) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("batch_state"))?.execute(params![key, state])?;
    Ok(())
}

pub(super) fn note(
    tx: &Transaction<'_>,
    key: BatchKey,
    now: UtcMicros,
    error: Option<&str>,
) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("batch_attempt"))?.execute(params![key, now, error])?;
    Ok(())
}

fn find_open(
    tx: &Transaction<'_>,
    sink: &SinkName,
    log: LogKey,
    kind: Kind,
) -> Result<Option<Batch>, OutboxError> {
    Ok(tx.prepare_cached(sql!("batch_find_open"))?.query_row(params![sink, log, kind], batch).optional()?)
}

fn insert(tx: &Transaction<'_>, new: &NewBatch, now: UtcMicros) -> Result<Batch, OutboxError> {
    let NewBatch { sink, log, kind, first, last, .. } = new;
    if last < first {
        return Err(OutboxError::BadRange { first: *first, last: *last });
    }
    if let Some(open) = find_open(tx, sink, *log, *kind)? {
        return Err(OutboxError::StillOpen(open.key));
    }
    let stream = stream_of(*kind);
    let mut next = tx.prepare_cached(sql!("block_next_unsent"))?;
    let expected: Option<Seq> = next.query_row(params![log, stream, sink, kind], |row| row.get(0))?;
    if expected != Some(*first) {
        return Err(OutboxError::NotNext { expected, got: *first });
    }
    let mut count = tx.prepare_cached(sql!("block_samples"))?;
    let samples: u32 = count.query_row(params![log, stream, first, last], |row| row.get(0))?;
    let key = Uuid::new_v4().to_string();
    let mut insert = tx.prepare_cached(sql!("batch_insert"))?;
    let (horizon, hash) = (new.anchor_horizon, new.csv_sha256);
    let values = params![sink, log, kind, first, last, horizon, samples, new.rows, hash, key, now];
    let key = insert.query_row(values, |row| row.get(0))?;
    get_open(tx, key)
}

fn batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    Ok(Batch {
        key: row.get("id")?,
        sink: row.get("sink")?,
        log: row.get("log")?,
        kind: row.get("kind")?,
        first: row.get("first_seq")?,
        last: row.get("last_seq")?,
        anchor_horizon: row.get("anchor_horizon")?,
        samples: row.get("samples")?,
        rows: row.get("rows")?,
        csv_sha256: row.get("csv_sha256")?,
        idempotency_key: columns::uuid(row, "idempotency_key")?,
        state: row.get("state")?,
        attempts: row.get("attempts")?,
        created: row.get("created_us")?,
        last_attempt: row.get("last_attempt_us")?,
        last_error: row.get("last_error")?,
    })
}
