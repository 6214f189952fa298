//! Batches: what is about to be sent, written down first, so that a retry after any crash sends the same bytes under the
//! same key.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    AnchorKey, BatchKey, ErrandKey, LogKey, Outbox, OutboxError, Position, Seam, SinkName, Span, columns,
    errands, seam,
};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::Stream;

/// A batch to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// Where it goes.
    pub sink: SinkName,
    /// The log it is made from.
    pub log: LogKey,
    /// What it is sent as.
    pub kind: Kind,
    /// What it holds: from the oldest unsent sample on, or from within its errand.
    pub span: Span,
    /// The errand it runs; `None` for the next of its log.
    pub errand: Option<ErrandKey>,
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
    /// What it holds.
    pub span: Span,
    /// The errand it runs; `None` for the next of its log.
    pub errand: Option<ErrandKey>,
    /// The newest anchor its times were computed with; a retry uses none newer.
    pub anchor_horizon: Option<AnchorKey>,
    /// Samples in its span.
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
        self.persist_batch_within(batch, None).await
    }

    /// The same for a batch whose table shows what lies around it.
    pub async fn persist_batch_within(
        &self,
        batch: NewBatch,
        seam: Option<Seam>,
    ) -> Result<Batch, OutboxError> {
        let (now, queue) = (self.house.clock.now(), self.house.queue_id);
        self.write(move |tx| insert(tx, &batch, seam.as_ref(), queue, now)).await
    }

    /// The batch that is under way for a sink, log and kind. There is at most one, beside those of errands.
    pub async fn open_batch(
        &self,
        sink: &SinkName,
        log: LogKey,
        kind: Kind,
    ) -> Result<Option<Batch>, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| find_open(tx, &sink, log, kind, None)).await
    }

    /// The batch that is under way for an errand.
    pub async fn open_batch_of(&self, errand: &errands::Errand) -> Result<Option<Batch>, OutboxError> {
        let errands::Errand { sink, log, kind, key, .. } = errand.clone();
        self.read(move |tx| find_open(tx, &sink, log, kind, Some(key))).await
    }

    /// Whether something else of a kind is under way: whoever shares a second with that must not come in between.
    pub async fn is_taken(
        &self,
        sink: &SinkName,
        (log, kind): (LogKey, Kind),
        errand: Option<ErrandKey>,
    ) -> Result<bool, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| {
            let mut first = tx.prepare_cached(sql!("batch_first_open"))?;
            let first: Option<i64> =
                first.query_row(params![sink, log, kind], |row| row.get(0)).optional()?;
            Ok(first.is_some_and(|first| first != errand.map_or(0, |errand| errand.0)))
        })
        .await
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

    /// Replaces an open batch by one that begins with the same sample and ends no later. The new one has another key, even if it
    /// is the same otherwise.
    pub async fn recut(&self, batch: BatchKey, smaller: NewBatch) -> Result<Batch, OutboxError> {
        self.recut_within(batch, smaller, None).await
    }

    /// The same for a batch whose table shows what lies around it.
    pub async fn recut_within(
        &self,
        batch: BatchKey,
        smaller: NewBatch,
        seam: Option<Seam>,
    ) -> Result<Batch, OutboxError> {
        let (now, queue) = (self.house.clock.now(), self.house.queue_id);
        self.write(move |tx| {
            let old = get_open(tx, batch)?;
            let is_same_place = (&old.sink, old.log, old.kind, old.errand, old.span.start())
                == (&smaller.sink, smaller.log, smaller.kind, smaller.errand, smaller.span.start());
            if !is_same_place || smaller.span.end() > old.span.end() {
                return Err(OutboxError::NotARecut(batch));
            }
            set_state(tx, batch, BatchState::Recut)?;
            insert(tx, &smaller, seam.as_ref(), queue, now)
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

pub(super) fn find_open(
    tx: &Transaction<'_>,
    sink: &SinkName,
    log: LogKey,
    kind: Kind,
    errand: Option<ErrandKey>,
) -> Result<Option<Batch>, OutboxError> {
    let mut find = tx.prepare_cached(sql!("batch_find_open"))?;
    Ok(find.query_row(params![sink, log, kind, errand], batch).optional()?)
}

/// The oldest sample that a sink has not been sent yet.
pub(super) fn next_unsent(
    tx: &Transaction<'_>,
    sink: &SinkName,
    log: LogKey,
    kind: Kind,
) -> Result<Option<Position>, OutboxError> {
    let mut next = tx.prepare_cached(sql!("block_next_unsent"))?;
    let place = |row: &Row<'_>| Ok(Position { seq: row.get(0)?, sample: row.get(1)? });
    Ok(next.query_row(params![log, stream_of(kind), sink, kind], place).optional()?)
}

/// The span with an end that is the end of a block written as such.
pub(super) fn tidied(tx: &Transaction<'_>, log: LogKey, span: Span) -> Result<Span, OutboxError> {
    if !span.is_range() {
        return Err(OutboxError::BadRange { first: span.first, last: span.last });
    }
    let Some(upto) = span.upto else { return Ok(span) };
    let mut find = tx.prepare_cached(sql!("block_n"))?;
    let samples: Option<u16> = find.query_row(params![log, span.last], |row| row.get(0)).optional()?;
    Ok(Span { upto: samples.is_none_or(|samples| upto < samples).then_some(upto), ..span })
}

/// Samples in a span of stored blocks.
pub(super) fn samples_in(
    tx: &Transaction<'_>,
    log: LogKey,
    stream: Stream,
    span: Span,
) -> Result<u32, OutboxError> {
    let Span { first, skip, last, upto } = span;
    let mut count = tx.prepare_cached(sql!("block_samples"))?;
    Ok(count.query_row(params![log, stream, first, skip, last, upto], |row| row.get(0))?)
}

fn insert(
    tx: &Transaction<'_>,
    new: &NewBatch,
    seam: Option<&Seam>,
    queue: Uuid,
    now: UtcMicros,
) -> Result<Batch, OutboxError> {
    let NewBatch { sink, log, kind, errand, .. } = new;
    let span = tidied(tx, *log, new.span)?;
    if let Some(open) = find_open(tx, sink, *log, *kind, *errand)? {
        return Err(OutboxError::StillOpen(open.key));
    }
    let samples = if let Some(errand) = errand {
        errands::samples_of(tx, *errand, span)?
    } else {
        let expected = next_unsent(tx, sink, *log, *kind)?;
        if expected != Some(span.start()) {
            return Err(OutboxError::NotNext { expected, got: span.start() });
        }
        samples_in(tx, *log, stream_of(*kind), span)?
    };
    let key = unused_key(tx, &NewBatch { span, ..new.clone() }, queue)?.to_string();
    let mut insert = tx.prepare_cached(sql!("batch_insert"))?;
    let (horizon, hash) = (new.anchor_horizon, new.csv_sha256);
    let Span { first, skip, last, upto } = span;
    let key = insert.query_row(
        params![sink, log, kind, first, skip, last, upto, errand, horizon, samples, new.rows, hash, key, now],
        |row| row.get(0),
    )?;
    if let Some(seam) = seam {
        seam::keep(tx, key, seam)?;
    }
    get_open(tx, key)
}

/// The first key for this content that was never used: the same outbox comes to the same key again, as after a crash before
/// anything was committed, and a batch that is replaced by an equal one gets another.
fn unused_key(tx: &Transaction<'_>, new: &NewBatch, queue: Uuid) -> Result<Uuid, OutboxError> {
    let mut find = tx.prepare_cached(sql!("batch_has_key"))?;
    let mut generation = 0;
    loop {
        let key = idempotency_key(new, queue, generation);
        if !find.query_row([key.to_string()], |row| row.get(0))? {
            return Ok(key);
        }
        generation += 1;
    }
}

fn idempotency_key(new: &NewBatch, queue: Uuid, generation: u32) -> Uuid {
    let NewBatch { sink, log, kind, span, errand, csv_sha256, .. } = new;
    let mut hash = Sha256::new_with_prefix("nowbridge batch");
    hash.update(queue.as_bytes());
    hash.update((sink.0.len() as u64).to_le_bytes());
    hash.update(&sink.0);
    hash.update(log.0.to_le_bytes());
    hash.update([kind.code()]);
    for number in [span.first.0, span.skip.into(), span.last.0, span.upto.map_or(u32::MAX, u32::from)] {
        hash.update(number.to_le_bytes());
    }
    hash.update(errand.map_or(0, |errand| errand.0).to_le_bytes());
    hash.update(csv_sha256);
    hash.update(generation.to_le_bytes());
    let [first, _] = *hash.finalize().as_chunks::<16>().0 else {
        unreachable!("SHA-256 has 32 bytes");
    };
    Uuid::new_v8(first)
}

fn batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    Ok(Batch {
        key: row.get("id")?,
        sink: row.get("sink")?,
        log: row.get("log")?,
        kind: row.get("kind")?,
        span: Span::of_row(row)?,
        errand: row.get("errand")?,
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
