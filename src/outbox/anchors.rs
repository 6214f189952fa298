//! Anchors: which UTC instant a reading of a watch's clock was. Never changed once written, so that a batch built up to a
//! given anchor can be built again.

use rusqlite::{Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{AnchorKey, LogKey, Outbox, OutboxError};
use crate::measurement::UtcMicros;
use crate::wire::bridge::Boot;

/// A point where the watch's clock and UTC are both known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Which run of the watch's clock.
    pub boot: Boot,
    /// The watch's clock, microseconds since that boot.
    pub ticks_us: u64,
    /// The same instant in UTC.
    pub utc: UtcMicros,
    /// How far off it may be, either way.
    pub uncertainty_us: u32,
    /// Who says so.
    pub source: AnchorSource,
}

/// Whose word an anchor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorSource {
    /// We read the watch's clock.
    Host,
    /// The watch wrote it down when its clock was set.
    Watch,
}

impl AnchorSource {
    /// Every source.
    pub const ALL: [Self; 2] = [Self::Host, Self::Watch];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Watch => "watch",
        }
    }
}

impl Outbox {
    /// Adds an anchor. A second one for the same reading of the clock changes nothing.
    pub async fn add_anchor(&self, log: LogKey, anchor: Anchor) -> Result<AnchorKey, OutboxError> {
        self.write(move |tx| {
            insert(tx, log, anchor)?;
            let mut key = tx.prepare_cached(sql!("anchor_key"))?;
            Ok(key.query_row(params![log, anchor.boot, anchor.ticks_us.cast_signed()], |row| row.get(0))?)
        })
        .await
    }

    /// A log's anchors up to and including `horizon` (all of them, if `None`), in the order they were added.
    pub async fn anchors(
        &self,
        log: LogKey,
        horizon: Option<AnchorKey>,
    ) -> Result<Vec<(AnchorKey, Anchor)>, OutboxError> {
        let horizon = horizon.unwrap_or(AnchorKey(i64::MAX));
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("anchor_list"))?;
            Ok(list.query_map(params![log, horizon], anchor)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Adds an anchor as part of a transaction.
pub(super) fn insert(tx: &Transaction<'_>, log: LogKey, anchor: Anchor) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("anchor_insert"))?.execute(params![
        log,
        anchor.boot,
        anchor.ticks_us.cast_signed(),
        anchor.utc,
        anchor.uncertainty_us,
        anchor.source
    ])?;
    Ok(())
}

fn anchor(row: &Row<'_>) -> rusqlite::Result<(AnchorKey, Anchor)> {
    let anchor = Anchor {
        boot: row.get(1)?,
        ticks_us: row.get::<_, i64>(2)?.cast_unsigned(),
        utc: row.get(3)?,
        uncertainty_us: row.get(4)?,
        source: row.get(5)?,
    };
    Ok((row.get(0)?, anchor))
}
