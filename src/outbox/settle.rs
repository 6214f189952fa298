//! The end of a batch: a receipt, or the dead letters. Either way the counts, and the upload cursor unless the batch was an
//! errand's, change in the same transaction.

use rusqlite::{Transaction, params};

use super::batches::{get_open, note, set_state};
use super::errands::{self, Errand, ErrandWhy, Piece};
use super::{
    Batch, BatchKey, BatchState, LogKey, Outbox, OutboxError, SentRows, SinkName, Span, columns, sent_days,
};
use crate::measurement::{Kind, UtcMicros};

/// The receiver's word that it has a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The HTTP status.
    pub status: u16,
    /// What it answered.
    pub body: String,
    /// How many bytes were sent, as they went out.
    pub bytes: u64,
}

/// Why a batch is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// In a word or a sentence.
    pub reason: String,
    /// The HTTP status, if the receiver refused.
    pub status: Option<u16>,
    /// What it answered.
    pub response: Option<String>,
}

/// What became of the samples of a kind that the upload cursor of a sink has passed. Each is counted once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The log.
    pub log: LogKey,
    /// The kind.
    pub kind: Kind,
    /// Confirmed.
    pub sent: u64,
    /// Refused for good.
    pub dead: u64,
    /// In quarantine, or on the way out of it.
    pub held: u64,
    /// Evicted before they were sent, or older than the sink.
    pub missed: u64,
}

/// How the counts of a cursor change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    pub sent: i64,
    pub dead: i64,
    pub held: i64,
}

impl Outbox {
    /// Stores the receipt, closes the batch, and moves the upload cursor behind it or the errand on.
    pub async fn settle(&self, batch: BatchKey, receipt: Receipt) -> Result<(), OutboxError> {
        self.settle_counting(batch, receipt, Vec::new()).await
    }

    /// The same, and counts what was sent of each day.
    pub async fn settle_counting(
        &self,
        batch: BatchKey,
        receipt: Receipt,
        rows: Vec<SentRows>,
    ) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let open = get_open(tx, batch)?;
            let bytes = receipt.bytes.cast_signed();
            let values = params![batch, receipt.status, receipt.body, bytes, now];
            tx.prepare_cached(sql!("receipt_insert"))?.execute(values)?;
            note(tx, batch, now, None)?;
            set_state(tx, batch, BatchState::Sent)?;
            let sent = i64::from(open.samples);
            let Some(key) = open.errand else {
                sent_days::count(tx, &open, None, &rows)?;
                return advance(tx, &open, Change { sent, ..Change::default() }, Some(now));
            };
            let errand = errands::waiting(tx, key)?;
            sent_days::count(tx, &open, Some(errand.why), &rows)?;
            let change = match errand.why {
                ErrandWhy::Retry => Change { sent, dead: -sent, held: 0 },
                ErrandWhy::Release => Change { sent, dead: 0, held: -sent },
                ErrandWhy::Repair => Change::default(),
            };
            correct(tx, &open, change, Some(now))?;
            resolve(tx, &errand, open.span, now)?;
            errands::move_on(tx, &errand, open.span.end(), now)
        })
        .await
    }

    /// Gives a batch up: its samples become dead letters, with the blocks that hold them, and the upload cursor moves behind
    /// them. The blocks themselves stay. Returns how many letters there are.
    pub async fn dead_letter(&self, batch: BatchKey, letter: DeadLetter) -> Result<u64, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let open = get_open(tx, batch)?;
            note(tx, batch, now, Some(&letter.reason))?;
            set_state(tx, batch, BatchState::Dead)?;
            let pieces = errands::pieces(tx, &open.sink, open.log, open.kind, open.span)?;
            let dead = i64::from(open.samples);
            let Some(key) = open.errand else {
                bury(tx, &open, &pieces, &letter, now)?;
                advance(tx, &open, Change { dead, ..Change::default() }, None)?;
                return Ok(pieces.len() as u64);
            };
            let errand = errands::waiting(tx, key)?;
            // The new letter takes the place of the one that was retried.
            resolve(tx, &errand, open.span, now)?;
            bury(tx, &open, &pieces, &letter, now)?;
            let change = match errand.why {
                ErrandWhy::Retry => Change::default(),
                ErrandWhy::Release => Change { dead, held: -dead, sent: 0 },
                ErrandWhy::Repair => Change { dead, sent: -dead, held: 0 },
            };
            correct(tx, &open, change, None)?;
            errands::move_on(tx, &errand, open.span.end(), now)?;
            Ok(pieces.len() as u64)
        })
        .await
    }

    /// What became of everything that a sink's cursors have passed.
    pub async fn tallies(&self, sink: &SinkName) -> Result<Vec<Tally>, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("upload_cursor_list"))?;
            let rows = list.query_map([sink], |row| {
                Ok(Tally {
                    log: row.get("log")?,
                    kind: row.get("kind")?,
                    sent: columns::count(row, "sent_samples")?,
                    dead: columns::count(row, "dead_samples")?,
                    held: columns::count(row, "held_samples")?,
                    missed: columns::count(row, "missed_samples")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Copies the samples of a batch, block by block.
fn bury(
    tx: &Transaction<'_>,
    batch: &Batch,
    pieces: &[Piece],
    letter: &DeadLetter,
    now: UtcMicros,
) -> Result<(), OutboxError> {
    let Batch { sink, log, kind, span, .. } = batch;
    let DeadLetter { reason, status, response } = letter;
    let mut insert = tx.prepare_cached(sql!("dead_bury"))?;
    for Piece { seq, samples, body, .. } in pieces {
        let part = span.within(*seq, *samples);
        let upto = (part.end < *samples).then_some(part.end);
        let (stream, body) = (batch.stream(), &body[..]);
        insert.execute(params![
            log,
            sink,
            kind,
            stream,
            seq,
            part.start,
            upto,
            part.len() as u32,
            reason,
            status,
            response,
            body,
            now
        ])?;
    }
    Ok(())
}

/// Closes the dead letters that an errand was about.
fn resolve(tx: &Transaction<'_>, errand: &Errand, span: Span, now: UtcMicros) -> Result<(), OutboxError> {
    if errand.why == ErrandWhy::Retry {
        let Span { first, skip, last, upto } = span;
        let values = params![errand.sink, errand.log, errand.kind, first, skip, last, upto, now];
        tx.prepare_cached(sql!("dead_retried"))?.execute(values)?;
    }
    Ok(())
}

fn advance(
    tx: &Transaction<'_>,
    batch: &Batch,
    change: Change,
    receipt_at: Option<UtcMicros>,
) -> Result<(), OutboxError> {
    pass(tx, (&batch.sink, batch.log, batch.kind), batch.span, change, receipt_at)
}

/// Moves the upload cursor behind a span.
pub(super) fn pass(
    tx: &Transaction<'_>,
    (sink, log, kind): (&SinkName, LogKey, Kind),
    span: Span,
    Change { sent, dead, held }: Change,
    receipt_at: Option<UtcMicros>,
) -> Result<(), OutboxError> {
    let (through, into_next) = match span.upto {
        None => (span.last, 0),
        Some(upto) => (span.last.previous(), upto),
    };
    let mut cursor = tx.prepare_cached(sql!("upload_cursor_advance"))?;
    cursor.execute(params![sink, log, kind, through, into_next, sent, dead, held, receipt_at])?;
    Ok(())
}

fn correct(
    tx: &Transaction<'_>,
    batch: &Batch,
    Change { sent, dead, held }: Change,
    receipt_at: Option<UtcMicros>,
) -> Result<(), OutboxError> {
    let Batch { sink, log, kind, .. } = batch;
    let mut cursor = tx.prepare_cached(sql!("upload_cursor_correct"))?;
    cursor.execute(params![sink, log, kind, sent, dead, held, receipt_at])?;
    Ok(())
}
