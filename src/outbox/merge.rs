//! Blocks that a salvage could not find, out of another file: a backup, or the damaged database once more.
//!
//! Only holes are filled that damage has made. What was freed, evicted or forgotten stays away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};

use super::batches::stream_of;
use super::blocks::from_seconds;
use super::salvage::{self, Source};
use super::{ErrandWhy, LogKey, NewErrand, Outbox, OutboxError, SinkName, Span, errands, off_the_runtime};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{RawBlock, Seq};

/// Pages that are looked through at a time.
const STEP_PAGES: u32 = 2_048;
/// Blocks that are put in their places in one transaction.
const STEP: u32 = 1_000;

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The file.
    pub file: PathBuf,
    /// Blocks that were found in it.
    pub found: u64,
    /// Those that filled a hole.
    pub filled: u64,
    /// Those that are of logs that this outbox does not know, or whose are not known.
    pub strange: u64,
    /// Numbers that damage has cost and that are missing still.
    pub lost: u64,
}

/// A hole that damage has made.
struct Hole {
    id: i64,
    log: LogKey,
    from: Seq,
    to: Seq,
    detail: String,
    at: UtcMicros,
}

impl Outbox {
    /// Fills what damage has cost with the blocks of a file, which is only read. Broken off and begun again it goes on where it was.
    pub async fn salvage_from(&self, file: &Path) -> Result<Merged, OutboxError> {
        self.salvage().await?;
        let (path, logs, so_far) = (file.to_owned(), self.logs().await?, self.salvage_so_far().await?);
        let own = so_far.map(|salvage| self.dir().join(&salvage.file)).filter(|own| *own == path);
        let source = off_the_runtime(move || Source::open(&path, &logs, own.is_some())).await?;
        let source = std::sync::Arc::new(source);
        let mut merged = Merged { file: file.to_owned(), ..Merged::default() };
        let mut next = 1;
        while next <= source.pages() {
            let source = std::sync::Arc::clone(&source);
            let end = next.saturating_add(STEP_PAGES).min(source.pages().saturating_add(1));
            let (found, strange) = self.write(move |tx| stage(tx, &source, next..end)).await?;
            merged.found += found;
            merged.strange += strange;
            next = end;
        }
        if merged.found == 0 {
            return Err(OutboxError::NothingToSalvage { path: file.to_owned() });
        }
        loop {
            let (now, door) = (self.house.clock.now(), self.house.door());
            let filled = self.write(move |tx| {
                door.admit(tx)?;
                fill(tx, now)
            });
            match filled.await? {
                0 => break,
                filled => merged.filled += filled,
            }
        }
        merged.lost = self.write(|tx| Ok(missing(&holes(tx)?))).await?;
        Ok(merged)
    }
}

/// Keeps what lies in a hole. Returns how many blocks there were, and how many of them are strangers'.
fn stage(
    tx: &Transaction<'_>,
    source: &Source,
    pages: std::ops::Range<u32>,
) -> Result<(u64, u64), OutboxError> {
    let (holes, mut found, mut strange) = (holes(tx)?, 0, 0);
    let mut keep = tx.prepare_cached(sql!("salvage_stage"))?;
    for (log, received, block) in source.blocks(pages) {
        found += 1;
        let seq = block.header().seq;
        let Some(log) = log else {
            strange += 1;
            continue;
        };
        if holes.iter().any(|hole| hole.log == log && (hole.from..=hole.to).contains(&seq)) {
            keep.execute(params![log, seq, received.seconds().0, &block.bytes()[..]])?;
        }
    }
    Ok((found, strange))
}

fn holes(tx: &Transaction<'_>) -> Result<Vec<Hole>, OutboxError> {
    let mut list = tx.prepare_cached(sql!("merge_gaps"))?;
    let holes = list.query_map([], |row| {
        let (from, to) = (row.get(2)?, row.get(3)?);
        Ok(Hole { id: row.get(0)?, log: row.get(1)?, from, to, detail: row.get(4)?, at: row.get(5)? })
    })?;
    Ok(holes.collect::<Result<_, _>>()?)
}

/// Fills one hole, or some of it. Returns with how many blocks.
fn fill(tx: &Transaction<'_>, now: UtcMicros) -> Result<u64, OutboxError> {
    for hole in holes(tx)? {
        let mut staged = tx.prepare_cached(sql!("merge_staged"))?;
        let staged = staged.query_map(params![hole.log, hole.from, hole.to, STEP], |row| {
            Ok((from_seconds(row.get(0)?), Bytes::from(row.get::<_, Vec<u8>>(1)?)))
        })?;
        let staged: Vec<(UtcMicros, Bytes)> = staged.collect::<Result<_, _>>()?;
        let blocks = staged.into_iter().filter_map(|(at, body)| Some((at, RawBlock::parse(body).ok()?)));
        let blocks: Vec<(UtcMicros, RawBlock)> = blocks.collect();
        if blocks.is_empty() {
            continue;
        }
        for (received, block) in &blocks {
            salvage::insert(tx, hole.log, *received, block)?;
        }
        let blocks: Vec<RawBlock> = blocks.into_iter().map(|(_, block)| block).collect();
        shrink(tx, &hole, &blocks)?;
        // What is missing still may come one day, and then gets an errand of its own.
        for together in blocks.chunk_by(|one, other| one.header().seq.next() == other.header().seq) {
            send(tx, hole.log, together, now)?;
        }
        count_missing(tx)?;
        return Ok(blocks.len() as u64);
    }
    // Also what somebody has filled who did not count.
    count_missing(tx)?;
    // In the same transaction, so that nothing goes that somebody else has just found for a hole.
    tx.execute("DELETE FROM salvaged", [])?;
    Ok(0)
}

/// Numbers that these cover.
fn missing<'a>(holes: impl IntoIterator<Item = &'a Hole>) -> u64 {
    holes.into_iter().map(|hole| u64::from(hole.to.0.saturating_sub(hole.from.0)) + 1).sum()
}

/// What is known of the salvage says how much of it is missing still.
fn count_missing(tx: &Transaction<'_>) -> Result<(), OutboxError> {
    let Some(mut so_far) = salvage::known(tx)?.filter(|so_far| so_far.done) else { return Ok(()) };
    let holes = holes(tx)?;
    let lost = missing(holes.iter().filter(|hole| hole.detail == so_far.hole()));
    if lost != so_far.lost {
        so_far.lost = lost;
        salvage::note(tx, &so_far)?;
    }
    Ok(())
}

/// What is missing still is in gaps as before.
fn shrink(tx: &Transaction<'_>, hole: &Hole, blocks: &[RawBlock]) -> Result<(), OutboxError> {
    tx.execute("DELETE FROM gap WHERE id = ?1", [hole.id])?;
    let mut insert = tx.prepare_cached(sql!("gap_insert"))?;
    let mut next = hole.from;
    let behind = hole.to.next();
    for seq in blocks.iter().map(|block| block.header().seq).chain([behind]) {
        if seq > next {
            insert.execute(params![
                hole.log,
                None::<i64>,
                next,
                seq.previous(),
                "corrupt",
                hole.detail,
                hole.at
            ])?;
        }
        next = seq.next();
    }
    Ok(())
}

/// Whoever has passed blocks of a hole that follow each other gets them by an errand, unless they had them before the damage.
fn send(tx: &Transaction<'_>, log: LogKey, blocks: &[RawBlock], now: UtcMicros) -> Result<(), OutboxError> {
    let mut passed = tx.prepare_cached(sql!("merge_passed"))?;
    let mut runs = BTreeMap::<(SinkName, Kind), Vec<(Span, u64)>>::new();
    let mut interrupted = BTreeMap::<(SinkName, Kind), bool>::new();
    for block in blocks {
        let said = block.header();
        let of_it = passed.query_map(params![log, said.seq], |row| {
            Ok((row.get::<_, SinkName>(0)?, row.get::<_, Kind>(1)?, row.get::<_, bool>(2)?))
        })?;
        for row in of_it {
            let (sink, kind, has_it) = row?;
            if stream_of(kind) != said.stream {
                continue;
            }
            let place = (sink, kind);
            let is_new_run = interrupted.insert(place.clone(), has_it).unwrap_or(true);
            if has_it {
                continue;
            }
            let runs = runs.entry(place).or_default();
            match runs.last_mut().filter(|_| !is_new_run) {
                // Nothing else lies between.
                Some((span, samples)) => {
                    span.last = said.seq;
                    *samples += u64::from(said.n);
                }
                None => runs.push((Span::blocks(said.seq, said.seq), said.n.into())),
            }
        }
    }
    for ((sink, kind), runs) in runs {
        for (span, samples) in runs {
            let held = samples.cast_signed();
            tx.prepare_cached(sql!("merge_hold"))?.execute(params![sink, log, kind, held])?;
            let errand = NewErrand { sink: sink.clone(), log, kind, span, why: ErrandWhy::Release };
            errands::ask(tx, &errand, now)?;
        }
    }
    Ok(())
}
