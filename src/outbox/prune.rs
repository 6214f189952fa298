//! Batches that are over, and their receipts, are remembered for a while. What became of each sample is counted at the cursors, and what
//! was sent of each day beside them, so nothing that is asked of the ledger later needs them.

use rusqlite::{Transaction, params};

use super::{Outbox, OutboxError};
use crate::measurement::UtcMicros;

const DAY_US: i64 = 86_400 * 1_000_000;
/// So long a batch and its receipt are remembered: as long as a spell.
const BATCHES_US: i64 = 90 * DAY_US;
/// So long it is remembered what was sent of a day: a row of 60 bytes for each kind.
const DAYS_US: i64 = 3 * 365 * DAY_US;
/// How many go in one transaction.
const ROUND: u32 = 500;

impl Outbox {
    /// Forgets some of the oldest batches and receipts, if they are old enough. Returns how many.
    pub(super) async fn prune(&self) -> Result<u64, OutboxError> {
        let now = self.house.clock.now();
        // Most of the time there is nothing to do, and whoever only looks need not wait for the writer.
        let cutoff = self.read(move |tx| cutoff(tx, now)).await?;
        let Some(cutoff) = cutoff else { return Ok(0) };
        self.write(move |tx| {
            let mut old = tx.prepare_cached(sql!("batch_old"))?;
            let old = old.query_map(params![cutoff, ROUND], |row| row.get::<_, i64>(0))?;
            let old = old.collect::<Result<Vec<_>, _>>()?;
            for batch in &old {
                tx.prepare_cached(sql!("receipt_delete"))?.execute([batch])?;
                tx.prepare_cached(sql!("batch_delete"))?.execute([batch])?;
            }
            let day = UtcMicros(cutoff.0 + BATCHES_US - DAYS_US).seconds().day().number();
            tx.prepare_cached(sql!("sent_day_prune"))?.execute([day])?;
            Ok(old.len() as u64)
        })
        .await
    }
}

/// What was made before this may go; `None` if nothing was. An age counts to the newest batch at most: a clock that leaps ahead makes
/// nothing old before something was sent by it.
fn cutoff(tx: &Transaction<'_>, now: UtcMicros) -> Result<Option<UtcMicros>, OutboxError> {
    let (oldest, newest): (Option<UtcMicros>, Option<UtcMicros>) =
        tx.query_row(sql!("batch_ends"), [], |row| Ok((row.get("oldest_us")?, row.get("newest_us")?)))?;
    let Some((oldest, newest)) = oldest.zip(newest) else { return Ok(None) };
    let cutoff = UtcMicros(now.min(newest).0.saturating_sub(BATCHES_US));
    Ok((oldest < cutoff).then_some(cutoff))
}
