//! Reading blocks back.

use std::ops::RangeInclusive;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, params};

use super::{LogKey, Outbox, OutboxError};
use crate::measurement::UtcMicros;
use crate::wire::bridge::{Boot, Seq, Stream};

/// A block as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// Its number.
    pub seq: Seq,
    /// The boot that its time counts from.
    pub boot: Boot,
    /// Its first sample, milliseconds since that boot.
    pub t0_ms: u64,
    /// What it holds.
    pub stream: Stream,
    /// How many samples.
    pub samples: u16,
    /// When we stored it, to the second.
    pub received: UtcMicros,
    /// The whole block as it came.
    pub body: Bytes,
}

impl Outbox {
    /// The first `limit` blocks of a stream with numbers in `range`, in order.
    pub async fn blocks(
        &self,
        log: LogKey,
        stream: Stream,
        range: RangeInclusive<Seq>,
        limit: u32,
    ) -> Result<Vec<StoredBlock>, OutboxError> {
        let (first, last) = range.into_inner();
        self.read(move |tx| {
            let mut query = tx.prepare_cached(sql!("block_range"))?;
            let blocks = query.query_map(params![log, stream, first, last, limit], block)?;
            Ok(blocks.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The last block of a stream before `seq`.
    pub async fn block_before(
        &self,
        log: LogKey,
        stream: Stream,
        seq: Seq,
    ) -> Result<Option<StoredBlock>, OutboxError> {
        self.read(move |tx| {
            let mut find = tx.prepare_cached(sql!("block_before"))?;
            Ok(find.query_row((log, stream, seq), block).optional()?)
        })
        .await
    }
}

pub(super) fn block(row: &Row<'_>) -> rusqlite::Result<StoredBlock> {
    Ok(StoredBlock {
        seq: row.get(0)?,
        boot: row.get(1)?,
        t0_ms: row.get::<_, i64>(2)?.cast_unsigned(),
        stream: row.get(3)?,
        samples: row.get(4)?,
        received: from_seconds(row.get(5)?),
        body: row.get::<_, Vec<u8>>(6)?.into(),
    })
}

/// Seconds are what the table keeps: four bytes instead of eight, in each block.
pub(super) const fn from_seconds(seconds: i64) -> UtcMicros {
    UtcMicros(seconds * 1_000_000)
}
