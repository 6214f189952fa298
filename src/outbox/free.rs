//! Freeing: blocks that everyone has go after a while. The last ones of each stream stay, because whoever reads on needs what lies
//! before: the last block, and of beats as many as a row may hold.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Transaction, params};

use super::removal::{self, Stored, Why};
use super::{Log, LogKey, OutboxError};
use crate::measurement::HeartBeatFrame;
use crate::wire::bridge::{Seq, Stream};

/// How many blocks one transaction takes at most: about half a megabyte.
const ROUND: u32 = 2_000;

/// Frees the oldest blocks of a log that nobody waits for, and that were stored up to `stored_by_s`. Returns how many.
///
/// While no sink is known, nothing is free: whoever sets one up tomorrow wants what was collected today.
pub(super) fn round(tx: &Transaction<'_>, log: &Log, stored_by_s: i64) -> Result<u64, OutboxError> {
    let needs = removal::needs(tx, log.key)?;
    if needs.is_empty() {
        return Ok(0);
    }
    let mut end = Seq(log.cursor.0.saturating_add(1));
    for need in &needs {
        end = need.first(tx, log.key)?.map_or(end, |first| first.min(end));
    }
    let pinned: Option<Seq> =
        tx.prepare_cached(sql!("log_pinned"))?.query_row([log.key], |row| row.get(0))?;
    let end = pinned.map_or(end, |pinned| pinned.min(end));
    let through = Seq(end.0.saturating_sub(1));
    let through = first_young(tx, log.key, through, stored_by_s)?.map_or(through, |young| Seq(young.0 - 1));
    let oldest = removal::oldest(tx, log.key, through, ROUND)?;
    let last = last_of_each_stream(&oldest);
    let going = oldest.into_iter().filter(|block| !last.contains(&block.seq));
    let going: Vec<_> = going.map(|block| (block, Why::Freed)).collect();
    removal::remove(tx, log.key, &needs, &going)?;
    Ok(going.len() as u64)
}

fn first_young(
    tx: &Transaction<'_>,
    log: LogKey,
    through: Seq,
    stored_by_s: i64,
) -> Result<Option<Seq>, OutboxError> {
    let mut find = tx.prepare_cached(sql!("block_first_young"))?;
    let mut rows = find.query(params![log, through, stored_by_s])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

/// The blocks that a row of the next batch may reach back to.
pub(super) fn last_of_each_stream(blocks: &[Stored]) -> BTreeSet<Seq> {
    let mut kept: BTreeMap<Stream, usize> = BTreeMap::new();
    let mut last = BTreeSet::new();
    for block in blocks.iter().rev() {
        // Where every run of beats breaks off at once, a block holds a single one.
        let enough = if block.stream == Stream::BEATS { HeartBeatFrame::MAX_BEATS } else { 1 };
        let samples = kept.entry(block.stream).or_default();
        if *samples < enough {
            *samples += block.samples as usize;
            last.insert(block.seq);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_beats_stay_as_a_row_may_hold() {
        let block = |seq, stream, samples| Stored { seq: Seq(seq), stream, samples, received_s: 0 };
        let mut blocks: Vec<Stored> = (1..=40).map(|seq| block(seq, Stream::BEATS, 1)).collect();
        blocks.extend((41..=44).map(|seq| block(seq, Stream::HEART_RATE, 0)));
        blocks.push(block(45, Stream::HEART_RATE, 9));
        let last: Vec<u32> = last_of_each_stream(&blocks).into_iter().map(|seq| seq.0).collect();
        assert_eq!(last, (26..=40).chain([45]).collect::<Vec<_>>());
        blocks.push(block(46, Stream::BEATS, 60));
        assert_eq!(last_of_each_stream(&blocks).into_iter().collect::<Vec<_>>(), [Seq(45), Seq(46)]);
    }
}
