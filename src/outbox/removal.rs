//! Taking blocks out again, always the oldest of a log: what freeing and evicting have in common.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};

use super::{LogKey, OutboxError, SinkName, batches};
use crate::measurement::Kind;
use crate::wire::bridge::{STREAMS, Seq, Stream};

/// A block as far as its removal is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) seq: Seq,
    pub(super) stream: Stream,
    pub(super) samples: u32,
    pub(super) received_s: i64,
}

/// What a sink wants of a log as one kind: everything behind its cursor.
#[derive(Clone, Debug)]
pub(super) struct Need {
    sink: SinkName,
    kind: Kind,
    through: Seq,
    into_next: u32,
}

/// Why a block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    Freed,
    Evicted,
}

impl Need {
    pub(super) const fn sink(&self) -> &SinkName {
        &self.sink
    }

    pub(super) fn stream(&self) -> Stream {
        batches::stream_of(self.kind)
    }

    pub(super) fn wants(&self, block: &Stored) -> bool {
        block.stream == self.stream() && block.seq > self.through
    }

    /// The first block that it waits for.
    pub(super) fn first(&self, tx: &Transaction<'_>, log: LogKey) -> Result<Option<Seq>, OutboxError> {
        let mut find = tx.prepare_cached(sql!("block_first_needed"))?;
        let mut rows = find.query(params![log, self.stream(), self.through])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    /// Moves the cursor over what goes and has not been sent.
    fn miss(&self, tx: &Transaction<'_>, log: LogKey, going: &[Stored]) -> Result<(), OutboxError> {
        let missed = || going.iter().filter(|it| it.stream == self.stream() && it.seq > self.through);
        let Some(last) = missed().next_back() else { return Ok(()) };
        let samples: u32 = missed().map(|block| block.samples).sum();
        let values = params![self.sink, log, self.kind, last.seq, samples.saturating_sub(self.into_next)];
        tx.prepare_cached(sql!("upload_cursor_miss"))?.execute(values)?;
        Ok(())
    }
}

/// Every sink on record, configured or not.
pub(super) fn known(tx: &Transaction<'_>) -> Result<Vec<SinkName>, OutboxError> {
    let mut known = tx.prepare_cached(sql!("sink_known"))?;
    Ok(known.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// What all known sinks want of a log; empty if there are no sinks.
pub(super) fn needs(tx: &Transaction<'_>, log: LogKey) -> Result<Vec<Need>, OutboxError> {
    let mut needs = Vec::new();
    for sink in known(tx)? {
        let mut cursors = cursors(tx, &sink, log)?;
        for kind in STREAMS.iter().filter_map(|info| info.kind) {
            cursors.entry(kind).or_insert((Seq(0), 0));
        }
        needs.extend(cursors.into_iter().map(|(kind, (through, into_next))| Need {
            sink: sink.clone(),
            kind,
            through,
            into_next,
        }));
    }
    Ok(needs)
}

fn cursors(
    tx: &Transaction<'_>,
    sink: &SinkName,
    log: LogKey,
) -> Result<BTreeMap<Kind, (Seq, u32)>, OutboxError> {
    let mut list = tx.prepare_cached(sql!("upload_cursor_positions"))?;
    let rows = list.query_map(params![sink, log], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The oldest blocks of a log up to a number, not more than `most`.
pub(super) fn oldest(
    tx: &Transaction<'_>,
    log: LogKey,
    through: Seq,
    most: u32,
) -> Result<Vec<Stored>, OutboxError> {
    let mut list = tx.prepare_cached(sql!("block_prefix"))?;
    let rows = list.query_map(params![log, through, most], |row| {
        Ok(Stored { seq: row.get(0)?, stream: row.get(1)?, samples: row.get(2)?, received_s: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes blocks out and counts them. Cursors that stood before them move, and the log remembers how far it was emptied.
pub(super) fn remove(
    tx: &Transaction<'_>,
    log: LogKey,
    needs: &[Need],
    going: &[(Stored, Why)],
) -> Result<(), OutboxError> {
    let Some((last, _)) = going.last() else { return Ok(()) };
    let blocks: Vec<Stored> = going.iter().map(|(block, _)| *block).collect();
    for need in needs {
        need.miss(tx, log, &blocks)?;
    }
    let mut counts: BTreeMap<(Stream, Why), (u32, u32)> = BTreeMap::new();
    for (block, why) in going {
        let count = counts.entry((block.stream, *why)).or_default();
        *count = (count.0 + 1, count.1 + block.samples);
        tx.prepare_cached(sql!("block_delete"))?.execute(params![log, block.seq])?;
    }
    for ((stream, why), (blocks, samples)) in counts {
        let why = match why {
            Why::Freed => "freed",
            Why::Evicted => "evicted",
        };
        tx.prepare_cached(sql!("removed_add"))?.execute(params![log, stream, why, blocks, samples])?;
    }
    tx.prepare_cached(sql!("log_removed"))?.execute(params![log, last.seq])?;
    Ok(())
}
