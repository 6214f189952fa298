//! Spells: times in which something could not go on, and why.

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::{Outbox, OutboxError};
use crate::measurement::UtcMicros;

/// So long a spell that is over is remembered.
const KEPT_US: i64 = 90 * 86_400 * 1_000_000;

/// A spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpellKey(pub i64);

/// A spell on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpellRow {
    /// Its number.
    pub key: SpellKey,
    /// What could not go on: `sink NAME`, `watch ADDRESS`, `radio`, `outbox` or `nowbridge`.
    pub subject: String,
    /// Why, in a word.
    pub reason: String,
    /// Whatever helps to understand it.
    pub detail: String,
    /// When it began.
    pub began: UtcMicros,
    /// When it was over; `None` while it lasts.
    pub ended: Option<UtcMicros>,
    /// Whether nowbridge ended before it did, so that `ended` is when nowbridge was started again.
    pub interrupted: bool,
}

impl Outbox {
    /// Notes that something cannot go on since `began`, and forgets what was over 90 days before.
    pub async fn begin_spell(
        &self,
        subject: String,
        reason: String,
        detail: String,
        began: UtcMicros,
    ) -> Result<SpellKey, OutboxError> {
        self.write(move |tx| {
            let mut insert = tx.prepare_cached(sql!("spell_begin"))?;
            let key = insert.query_row(params![subject, reason, detail, began], |row| row.get(0))?;
            tx.prepare_cached(sql!("spell_prune"))?.execute([began.0 - KEPT_US])?;
            Ok(SpellKey(key))
        })
        .await
    }

    /// Notes that it goes on again, since `at`.
    pub async fn end_spell(&self, spell: SpellKey, at: UtcMicros) -> Result<(), OutboxError> {
        self.write(move |tx| {
            tx.prepare_cached(sql!("spell_end"))?.execute(params![spell.0, at])?;
            Ok(())
        })
        .await
    }

    /// Ends the spells of a process that is no more.
    pub async fn interrupt_spells(&self) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            tx.prepare_cached(sql!("spell_interrupt"))?.execute([now])?;
            Ok(())
        })
        .await
    }

    /// The spells that reach beyond `since`, oldest first.
    pub async fn spells(&self, since: UtcMicros, limit: u32) -> Result<Vec<SpellRow>, OutboxError> {
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("spell_list"))?;
            Ok(list.query_map(params![since, limit], spell)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn spell(row: &Row<'_>) -> rusqlite::Result<SpellRow> {
    Ok(SpellRow {
        key: SpellKey(row.get("id")?),
        subject: row.get("subject")?,
        reason: row.get("reason")?,
        detail: row.get("detail")?,
        began: row.get("began_us")?,
        ended: row.get("ended_us")?,
        interrupted: row.get("interrupted")?,
    })
}
