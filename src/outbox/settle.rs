//! The end of a batch: a receipt, or the dead letters. Either way the upload cursor moves in the same transaction.

use rusqlite::{Transaction, params};

use super::batches::{get_open, note, set_state, stream_of};
use super::{Batch, BatchKey, BatchState, Outbox, OutboxError};
use crate::measurement::UtcMicros;

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

impl Outbox {
    /// Stores the receipt, closes the batch and moves the upload cursor behind it.
    pub async fn settle(&self, batch: BatchKey, receipt: Receipt) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let open = get_open(tx, batch)?;
            let bytes = receipt.bytes.cast_signed();
            let values = params![batch, receipt.status, receipt.body, bytes, now];
            tx.prepare_cached(sql!("receipt_insert"))?.execute(values)?;
            note(tx, batch, now, None)?;
            set_state(tx, batch, BatchState::Sent)?;
            advance(tx, &open, (open.samples, 0), Some(now))
        })
        .await
    }

    /// Gives a batch up: its blocks are copied to the dead letters, and the upload cursor moves behind it. The blocks
    /// themselves stay. Returns how many there were.
    pub async fn dead_letter(&self, batch: BatchKey, letter: DeadLetter) -> Result<u64, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let open = get_open(tx, batch)?;
            let Batch { sink, log, kind, first, last, .. } = &open;
            let DeadLetter { reason, status, response } = letter;
            let stream = stream_of(*kind);
            let values = params![log, stream, first, last, sink, kind, reason, status, response, now];
            let moved = tx.prepare_cached(sql!("dead_from_batch"))?.execute(values)?;
            note(tx, batch, now, Some(&reason))?;
            set_state(tx, batch, BatchState::Dead)?;
            advance(tx, &open, (0, open.samples), None)?;
            Ok(moved as u64)
        })
        .await
    }
}

fn advance(
    tx: &Transaction<'_>,
    batch: &Batch,
    (sent, dead): (u32, u32),
    receipt_at: Option<UtcMicros>,
) -> Result<(), OutboxError> {
    let Batch { sink, log, kind, last, .. } = batch;
    let mut cursor = tx.prepare_cached(sql!("upload_cursor_advance"))?;
    cursor.execute(params![sink, log, kind, last, sent, dead, receipt_at])?;
    Ok(())
}
