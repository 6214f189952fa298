//! What a batch is made from besides its own samples, kept for as long as it is open.
//!
//! A row is a whole second, so the first rows of a batch may hold beats of blocks before it, and an errand's last row what lies behind.
//! Those blocks may be freed, leave the quarantine or be followed by others before a retry; with a copy of them it makes the same table.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{BatchKey, Outbox, OutboxError, Span};
use crate::measurement::UtcMicros;

/// The first byte of what is written.
const VERSION: u8 = 1;

/// What lies around a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seam {
    /// Before it, in order.
    pub before: Vec<SeamPart>,
    /// Behind it, in order.
    pub after: Vec<SeamPart>,
    /// What in it was left out.
    pub holes: Vec<Span>,
}

/// Some samples of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeamPart {
    /// When it was stored.
    pub received: UtcMicros,
    /// The first of them.
    pub from: u16,
    /// The one behind the last.
    pub upto: u16,
    /// The whole block: 240 bytes at most.
    pub body: Vec<u8>,
}

impl Seam {
    fn to_bytes(&self) -> Vec<u8> {
        // Plain numbers and bytes always serialise; what did not would be made anew.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        (*version == VERSION).then(|| postcard::from_bytes(rest).ok())?
    }
}

impl Outbox {
    /// What lay around a batch when it was written down; `None` if nothing of that shows in its table.
    pub async fn seam(&self, batch: BatchKey) -> Result<Option<Seam>, OutboxError> {
        self.read(move |tx| {
            let mut get = tx.prepare_cached(sql!("batch_seam"))?;
            let bytes: Option<Option<Vec<u8>>> = get.query_row([batch], |row| row.get(0)).optional()?;
            Ok(bytes.flatten().and_then(|bytes| Seam::of_bytes(&bytes)))
        })
        .await
    }
}

pub(super) fn keep(tx: &Transaction<'_>, batch: BatchKey, seam: &Seam) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("batch_keep_seam"))?.execute(params![batch, seam.to_bytes()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bridge::Seq;

    #[test]
    fn what_is_written_is_read() {
        let part = SeamPart { received: UtcMicros(-7), from: 3, upto: 9, body: vec![0, 255, 7] };
        let hole = Span { first: Seq(4), skip: 1, last: Seq(5), upto: Some(2) };
        let seam = Seam { before: vec![part.clone(), part], after: vec![], holes: vec![hole] };
        let bytes = seam.to_bytes();
        assert_eq!(Seam::of_bytes(&bytes), Some(seam));
        assert_eq!(Seam::of_bytes(&Seam::default().to_bytes()), Some(Seam::default()));
        assert_eq!(
            [Seam::of_bytes(&[]), Seam::of_bytes(&[9, 0, 0, 0]), Seam::of_bytes(&bytes[..4])],
            [None, None, None]
        );
    }
}
