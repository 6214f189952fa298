//! Eviction: without room the oldest blocks go although somebody still waits for them, and the ledger says which.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rusqlite::{Transaction, params};

use super::free::last_of_each_stream;
use super::removal::{self, Need, Stored, Why};
use super::{Log, LogKey, OutboxError, SinkName, Span, batches, logs};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{Seq, Stream};

/// How many blocks go at a time: about a hundred kilobytes.
const ROUND: u32 = 512;

/// Why, for people.
const DETAIL: &str = "the outbox had no more room, and the oldest had to make way";

/// Evicts the oldest blocks of the log that has the oldest. Returns how many went.
pub(super) fn round(tx: &Transaction<'_>, now: UtcMicros) -> Result<u64, OutboxError> {
    let mut candidates = Vec::new();
    for log in logs::all(tx)? {
        let doomed = Doomed::of(tx, &log)?;
        candidates.extend(doomed.going.first().map(|(block, _)| block.received_s).map(|age| (age, doomed)));
    }
    let Some((_, doomed)) = candidates.into_iter().min_by_key(|(age, doomed)| (*age, doomed.log)) else {
        return Ok(0);
    };
    doomed.evict(tx, now)
}

/// What goes from a log.
struct Doomed {
    log: LogKey,
    needs: Vec<Need>,
    through: Seq,
    going: Vec<(Stored, Why)>,
}

impl Doomed {
    fn of(tx: &Transaction<'_>, log: &Log) -> Result<Self, OutboxError> {
        let needs = removal::needs(tx, log.key)?;
        let asked_for = asked_for(tx, log.key)?;
        let oldest = removal::oldest(tx, log.key, log.cursor, ROUND)?;
        let through = oldest.last().map_or(Seq(0), |block| block.seq);
        let last = last_of_each_stream(&oldest);
        let is_wanted = |block: &Stored| {
            // Without a sink everything that could be sent waits for one.
            (needs.is_empty() && block.stream.kind().is_some())
                || needs.iter().any(|need| need.wants(block))
                || asked_for
                    .iter()
                    .any(|(stream, range)| *stream == block.stream && range.contains(&block.seq))
        };
        let going = oldest.into_iter().filter_map(|block| match is_wanted(&block) {
            true => Some((block, Why::Evicted)),
            // The block before a cursor is needed to read on.
            false if last.contains(&block.seq) => None,
            false => Some((block, Why::Freed)),
        });
        let going = going.collect();
        Ok(Self { log: log.key, needs, through, going })
    }

    fn evict(self, tx: &Transaction<'_>, now: UtcMicros) -> Result<u64, OutboxError> {
        let Self { log, needs, through, going } = self;
        let emptied: Seq =
            tx.prepare_cached(sql!("log_removed_through"))?.query_row([log], |row| row.get(0))?;
        for run in runs(&going) {
            run.record(tx, log, emptied, through, now)?;
        }
        release_quarantine(tx, log, through, now)?;
        miss_releases(tx, log, through)?;
        tx.prepare_cached(sql!("errand_cut"))?.execute(params![log, through])?;
        tx.prepare_cached(sql!("errand_give_up"))?.execute(params![log, through, now])?;
        tx.prepare_cached(sql!("batch_evict"))?.execute(params![log, through])?;
        removal::remove(tx, log, &needs, &going)?;
        tx.prepare_cached(sql!("log_removed"))?.execute(params![log, through])?;
        Ok(going.len() as u64)
    }
}

/// What lies behind a cursor and is yet to be sent: held in quarantine, or to be sent once more. What is dead has its bytes elsewhere.
fn asked_for(tx: &Transaction<'_>, log: LogKey) -> Result<Vec<(Stream, RangeInclusive<Seq>)>, OutboxError> {
    let mut list = tx.prepare_cached(sql!("log_asked_for"))?;
    let ranges =
        list.query_map([log], |row| Ok((batches::stream_of(row.get(0)?), row.get(1)?..=row.get(2)?)))?;
    Ok(ranges.collect::<Result<_, _>>()?)
}

/// Blocks of a stream that go one after the other.
struct Run {
    stream: Stream,
    from: Seq,
    to: Seq,
    samples: u32,
    /// Nothing of the stream lies before it …
    is_first: bool,
    /// … or behind it, among what goes.
    is_last: bool,
}

impl Run {
    /// A run that goes on where the last eviction ended is the same hole. The last run of a stream reaches to the end of what was
    /// emptied, so that the next one is seen to go on there.
    fn record(
        &self,
        tx: &Transaction<'_>,
        log: LogKey,
        emptied: Seq,
        through: Seq,
        now: UtcMicros,
    ) -> Result<(), OutboxError> {
        let to = if self.is_last { through } else { self.to };
        if self.is_first && emptied > Seq(0) {
            let mut extend = tx.prepare_cached(sql!("gap_extend_evicted"))?;
            if extend.execute(params![log, self.stream, emptied, to, self.samples, now])? > 0 {
                return Ok(());
            }
        }
        let values = params![log, self.stream, self.from, to, DETAIL, now, self.samples];
        tx.prepare_cached(sql!("gap_insert_evicted"))?.execute(values)?;
        Ok(())
    }
}

fn runs(going: &[(Stored, Why)]) -> Vec<Run> {
    let mut streams: BTreeMap<Stream, Vec<(Stored, Why)>> = BTreeMap::new();
    for (block, why) in going {
        streams.entry(block.stream).or_default().push((*block, *why));
    }
    let mut runs = Vec::new();
    for (stream, blocks) in streams {
        let mut offset = 0;
        for chunk in blocks.chunk_by(|(_, one), (_, other)| one == other) {
            let (is_first, is_last) = (offset == 0, offset + chunk.len() == blocks.len());
            offset += chunk.len();
            if let [(first, Why::Evicted), ..] = chunk {
                let to = chunk.last().map_or(first.seq, |(block, _)| block.seq);
                let samples = chunk.iter().map(|(block, _)| block.samples).sum();
                runs.push(Run { stream, from: first.seq, to, samples, is_first, is_last });
            }
        }
    }
    runs
}

/// What was held for a better time and goes now is missed. Of a range that goes only in part, the rest is still held.
fn release_quarantine(
    tx: &Transaction<'_>,
    log: LogKey,
    through: Seq,
    now: UtcMicros,
) -> Result<(), OutboxError> {
    struct Held {
        id: i64,
        sink: SinkName,
        kind: Kind,
        first: Seq,
        last: Seq,
        skip: u16,
        samples: u32,
    }
    let mut list = tx.prepare_cached(sql!("quarantine_overlapping"))?;
    let held = list.query_map(params![log, through], |row| {
        Ok(Held {
            id: row.get("id")?,
            sink: row.get("sink")?,
            kind: row.get("kind")?,
            first: row.get("first_seq")?,
            last: row.get("last_seq")?,
            skip: row.get("skip")?,
            samples: row.get("samples")?,
        })
    })?;
    for held in held.collect::<Result<Vec<_>, _>>()? {
        let gone = if held.last <= through {
            held.samples
        } else {
            let span = Span { first: held.first, skip: held.skip, last: through, upto: None };
            batches::samples_in(tx, log, batches::stream_of(held.kind), span)?.min(held.samples)
        };
        tx.prepare_cached(sql!("quarantine_cut"))?.execute(params![held.id, through, gone, now])?;
        unhold(tx, log, (&held.sink, held.kind), gone)?;
    }
    Ok(())
}

/// What had left the quarantine and waited to be sent is missed, too. An errand shows what is left of it.
fn miss_releases(tx: &Transaction<'_>, log: LogKey, through: Seq) -> Result<(), OutboxError> {
    let mut list = tx.prepare_cached(sql!("errand_releases"))?;
    let releases = list.query_map(params![log, through], |row| {
        Ok((row.get::<_, SinkName>("sink")?, row.get::<_, Kind>("kind")?, Span::of_row(row)?))
    })?;
    for (sink, kind, span) in releases.collect::<Result<Vec<_>, _>>()? {
        let span = if span.last > through { Span { last: through, upto: None, ..span } } else { span };
        let gone = batches::samples_in(tx, log, batches::stream_of(kind), span)?;
        unhold(tx, log, (&sink, kind), gone)?;
    }
    Ok(())
}

fn unhold(
    tx: &Transaction<'_>,
    log: LogKey,
    (sink, kind): (&SinkName, Kind),
    gone: u32,
) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("upload_cursor_unhold"))?.execute(params![sink, log, kind, gone])?;
    Ok(())
}
