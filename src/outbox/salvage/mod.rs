//! Fetching what can be read from a damaged database into a new one.
//!
//! What the house is ruled by (logs, cursors, anchors, receipts) is few rows and comes at once, before anybody may use the new
//! database: so nothing that was sent is sent again, and no watch is asked for what it gave. The blocks come later, while all goes on:
//! they are looked for on every page, and when all are found they are put in their places, in order, or the uploader would pass
//! those that are yet to come. New blocks go to a new era of their log meanwhile.

mod carve;
mod ledger;
mod pages;
mod source;

use std::path::Path;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

pub(super) use self::ledger::take_ledger;
use self::pages::Pages;
pub(super) use self::source::Source;
use super::blocks::from_seconds;
use super::{Log, LogKey, OutboxError, aside, logs};
use crate::measurement::UtcMicros;
use crate::wire::bridge::{RawBlock, Seq};

/// So many blocks are put in their places at a time.
const STEP: u32 = 1_000;
/// So many pages are looked through at a time: some megabytes.
const STEP_PAGES: u32 = 2_048;
/// What is known of a salvage stands under this key.
const KEY: &str = "salvage";

/// How far a salvage has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salvage {
    /// The damaged database, as it is called now.
    pub file: String,
    /// The logs up to here are from there.
    through_log: LogKey,
    /// Whether everything that could be read is here.
    pub done: bool,
    /// Tables that could not be read to the end.
    pub damaged_tables: Vec<String>,
    /// Blocks fetched so far.
    pub blocks: u64,
    /// Numbers whose blocks are lost, once it is done, and that no other file has given since; each is in a gap.
    pub lost: u64,
    /// Logs of which nothing says any more whose they are: kept, and not sent.
    #[serde(default)]
    pub adrift: u64,
    /// The next page to be looked through. `None`: all were.
    #[serde(default)]
    next_page: Option<u32>,
    /// Bytes in a page, where its header does not say.
    #[serde(default)]
    page_size: Option<u32>,
}

impl Salvage {
    /// Whether a log is of the damaged database, and not all of it is here yet.
    pub(super) const fn is_fetching(&self, log: LogKey) -> bool {
        !self.done && log.0 <= self.through_log.0
    }

    /// What is said of the holes that it has left.
    pub(super) fn hole(&self) -> String {
        hole(&self.file)
    }
}

fn hole(file: &str) -> String {
    format!("lost with damaged pages of {file}")
}

/// What is known of a salvage.
pub(super) fn known(connection: &Connection) -> Result<Option<Salvage>, OutboxError> {
    let text = connection.query_row(sql!("meta_get"), [KEY], |row| row.get::<_, String>(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

impl super::Outbox {
    /// Whether a damaged database lies in a directory that was moved aside and not fetched yet: what comes after it may never have begun.
    pub fn was_moved_aside(dir: &Path) -> bool {
        aside::latest(dir).is_some()
    }

    /// Whether blocks of a damaged database are still being fetched.
    pub async fn is_salvaging(&self) -> Result<bool, OutboxError> {
        self.read(|tx| Ok(known(tx)?.is_some_and(|salvage| !salvage.done))).await
    }

    /// What is known of the database that was moved aside last, if one was.
    pub async fn salvage_so_far(&self) -> Result<Option<Salvage>, OutboxError> {
        self.read(|tx| known(tx)).await
    }
}

pub(super) fn note(tx: &Transaction<'_>, salvage: &Salvage) -> Result<(), OutboxError> {
    let text = serde_json::to_string(salvage).unwrap_or_default();
    tx.execute(sql!("meta_put"), params![KEY, text])?;
    Ok(())
}

/// Fetches some more blocks. Returns how it stands.
pub(super) fn step(tx: &Transaction<'_>, dir: &Path, now: UtcMicros) -> Result<Option<Salvage>, OutboxError> {
    let Some(mut salvage) = known(tx)?.filter(|salvage| !salvage.done) else { return Ok(None) };
    let of_it: Vec<Log> = logs::all(tx)?.into_iter().filter(|log| salvage.is_fetching(log.key)).collect();
    let path = dir.join(&salvage.file);
    if let Some(next) = salvage.next_page {
        salvage.next_page = look_through(tx, &path, salvage.page_size, next, &of_it)?;
        note(tx, &salvage)?;
        return Ok(Some(salvage));
    }
    for log in &of_it {
        let placed = place(tx, log.key)?;
        if placed > 0 {
            salvage.blocks += placed;
            note(tx, &salvage)?;
            return Ok(Some(salvage));
        }
    }
    for log in &of_it {
        salvage.lost += name_holes(tx, log, &salvage.file, now)?;
    }
    salvage.done = true;
    note(tx, &salvage)?;
    // Whose a log is may yet be read by somebody else.
    if let Some(error) = (salvage.adrift == 0).then(|| aside::is_done_with(&path)).and_then(Result::err) {
        tracing::debug!(%error, "The salvage is done, which could not be noted beside the damaged file.");
    }
    Ok(Some(salvage))
}

/// Keeps the blocks of some pages for later. Returns which page is next.
fn look_through(
    tx: &Transaction<'_>,
    path: &Path,
    size: Option<u32>,
    next: u32,
    of_it: &[Log],
) -> Result<Option<u32>, OutboxError> {
    let Some(pages) = Pages::open(path, size) else { return Ok(None) };
    let end = next.saturating_add(STEP_PAGES).min(pages.count().saturating_add(1));
    let mut keep = tx.prepare_cached(sql!("salvage_stage"))?;
    for found in (next..end).flat_map(|page| carve::blocks(&pages, page)) {
        // Beyond the cursor nothing was committed.
        if of_it.iter().any(|log| log.key == found.log && found.seq() <= log.cursor) {
            keep.execute(params![
                found.log,
                found.seq(),
                found.received.seconds().0,
                &found.block.bytes()[..]
            ])?;
        }
    }
    Ok((end <= pages.count()).then_some(end))
}

/// Puts the next blocks of a log in their places. Returns how many.
fn place(tx: &Transaction<'_>, log: LogKey) -> Result<u64, OutboxError> {
    let mut staged = tx.prepare_cached(sql!("salvage_staged"))?;
    let staged = staged.query_map(params![log, STEP], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let staged: Vec<(i64, Vec<u8>)> = staged.collect::<Result<_, _>>()?;
    let (mut placed, mut last) = (0, Seq(0));
    for (received_s, body) in staged {
        // It was one when it was kept.
        let Ok(block) = RawBlock::parse(Bytes::from(body)) else { continue };
        insert(tx, log, from_seconds(received_s), &block)?;
        (placed, last) = (placed + 1, block.header().seq);
    }
    tx.prepare_cached(sql!("salvage_unstage"))?.execute(params![log, last])?;
    Ok(placed)
}

/// Puts a block in its place.
pub(super) fn insert(
    tx: &Transaction<'_>,
    log: LogKey,
    received: UtcMicros,
    block: &RawBlock,
) -> Result<(), OutboxError> {
    let (said, received_s) = (block.header(), received.seconds().0);
    let (t0_ms, body) = (said.t0_ms.cast_signed(), &block.bytes()[..]);
    let values = params![log, said.seq, received_s, said.boot, t0_ms, said.stream, said.n, body];
    tx.prepare_cached(sql!("salvage_insert"))?.execute(values)?;
    Ok(())
}

/// Writes down which numbers were lost. Returns how many.
fn name_holes(tx: &Transaction<'_>, log: &Log, file: &str, now: UtcMicros) -> Result<u64, OutboxError> {
    let mut known = tx.prepare_cached(sql!("salvage_known_ranges"))?;
    let end = log.cursor.0.saturating_add(1);
    let ranges = known.query_map(params![log.key, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (mut next, mut lost, mut holes) = (1_u32, 0, Vec::new());
    // A first era begins at 1; where a later one began is not known, nor what was freed of a log that is adrift.
    let begins_at_1 = log.era == 1 && !log.adrift;
    for range in ranges {
        let (from, to): (u32, u32) = range?;
        if from > next && (begins_at_1 || next > 1) {
            holes.push((next, from - 1));
        }
        next = next.max(to.saturating_add(1));
    }
    let detail = hole(file);
    for (from, to) in holes {
        let values = params![log.key, None::<i64>, from, to, "corrupt", detail, now];
        tx.prepare_cached(sql!("gap_insert"))?.execute(values)?;
        lost += u64::from(to - from) + 1;
    }
    Ok(lost)
}
