//! What was sent of each day, in a number and a sum, so that it can be compared when the blocks are gone.
//!
//! The sum is over the hashes of the rows, in no order: rows that are still here can be taken out of it again.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Batch, ErrandWhy, LogKey, Outbox, OutboxError, SinkName};
use crate::measurement::{Day, Kind, UnixSeconds};

/// Rows of a day that were confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentRows {
    /// The UTC day.
    pub day: Day,
    /// How many.
    pub rows: u64,
    /// The sum of their hashes.
    pub sum: u128,
    /// The second of the first.
    pub first: UnixSeconds,
    /// The second of the last.
    pub last: UnixSeconds,
    /// The second of a row that takes the place of one sent before, and the hash of that one.
    pub repeats: Option<(UnixSeconds, u128)>,
}

/// What was confirmed of a day of a kind of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentDay {
    /// The log.
    pub log: LogKey,
    /// The kind.
    pub kind: Kind,
    /// The UTC day.
    pub day: Day,
    /// How many rows.
    pub rows: u64,
    /// The sum of their hashes.
    pub sum: u128,
    /// Whether no row is counted twice.
    pub exact: bool,
}

impl Outbox {
    /// What a sink has confirmed of these days, both included.
    pub async fn sent_days(
        &self,
        sink: &SinkName,
        (from, to): (Day, Day),
    ) -> Result<Vec<SentDay>, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("sent_day_list"))?;
            let rows = list.query_map(params![sink, from.number(), to.number()], |row| {
                Ok(SentDay {
                    log: row.get("log")?,
                    kind: row.get("kind")?,
                    day: Day::from_number(row.get("day")?),
                    rows: row.get::<_, i64>("row_count")?.max(0).cast_unsigned(),
                    sum: u128::from_le_bytes(row.get("row_sum")?),
                    exact: row.get("exact")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Adds what a batch came to. What only repairs was counted when it was first sent.
pub(super) fn count(
    tx: &Transaction<'_>,
    batch: &Batch,
    why: Option<ErrandWhy>,
    sent: &[SentRows],
) -> Result<(), OutboxError> {
    if why == Some(ErrandWhy::Repair) {
        return Ok(());
    }
    for rows in sent {
        let place = params![batch.sink, batch.log, batch.kind, rows.day.number()];
        let known = tx.prepare_cached(sql!("sent_day_get"))?.query_row(place, |row| {
            let sum = u128::from_le_bytes(row.get(1)?);
            Ok(Known { rows: row.get(0)?, sum, last_s: row.get(2)?, exact: row.get(3)? })
        });
        let known = known.optional()?.unwrap_or(Known { rows: 0, sum: 0, last_s: i64::MIN, exact: true });
        let Known { rows: count, sum, last_s, exact } = known.with(rows, why.is_none());
        let (number, sum) = (rows.day.number(), sum.to_le_bytes());
        let values = params![batch.sink, batch.log, batch.kind, number, count, sum, last_s, exact];
        tx.prepare_cached(sql!("sent_day_put"))?.execute(values)?;
    }
    Ok(())
}

/// A day as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    rows: i64,
    sum: u128,
    last_s: i64,
    exact: bool,
}

impl Known {
    /// In its turn a batch goes on where the last one ended, and may share a second with it. Whatever else falls into a time that was
    /// sent may take the place of a row that is counted; nobody can say.
    fn with(mut self, new: &SentRows, in_turn: bool) -> Self {
        match new.repeats {
            Some((at, hash)) if in_turn && at.0 == self.last_s => {
                self.rows -= 1;
                self.sum = self.sum.wrapping_sub(hash);
            }
            _ => self.exact &= in_turn && new.first.0 > self.last_s,
        }
        self.rows = self.rows.saturating_add_unsigned(new.rows);
        self.sum = self.sum.wrapping_add(new.sum);
        self.last_s = self.last_s.max(new.last.0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_sent_again_is_counted_once() {
        let none = Known { rows: 0, sum: 0, last_s: i64::MIN, exact: true };
        let rows = |first, last, rows, sum, repeats: Option<(i64, u128)>| SentRows {
            day: Day::from_number(0),
            rows,
            sum,
            first: UnixSeconds(first),
            last: UnixSeconds(last),
            repeats: repeats.map(|(at, hash)| (UnixSeconds(at), hash)),
        };
        // What it repeats was never sent: the sink began in between.
        let one = none.with(&rows(10, 20, 5, 50, Some((10, 7))), true);
        assert_eq!(one, Known { rows: 5, sum: 50, last_s: 20, exact: true });
        let two = one.with(&rows(20, 30, 3, u128::MAX, Some((20, 9))), true);
        assert_eq!(two, Known { rows: 7, sum: 40, last_s: 30, exact: true });
        assert!(two.with(&rows(31, 32, 1, 1, None), true).exact);
        assert!(!two.with(&rows(30, 32, 1, 1, None), true).exact, "it overlaps, and nobody knows with what");
        assert!(!two.with(&rows(40, 41, 1, 1, None), false).exact);
    }
}
