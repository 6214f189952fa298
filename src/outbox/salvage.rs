//! Fetching what can be read from a damaged database into a new one.
//!
//! What the house is ruled by (logs, cursors, anchors, receipts) is few rows and comes at once, before anybody may use the new
//! database: so nothing that was sent is sent again, and no watch is asked for what it gave. The blocks come later, in order, while
//! all goes on. New blocks go to a new era of their log meanwhile, or the uploader would pass those that are yet to come.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params, params_from_iter};
use serde::{Deserialize, Serialize};

use super::{Log, LogKey, OutboxError, aside, blocks, logs};
use crate::measurement::UtcMicros;
use crate::wire::bridge::{RawBlock, Seq};

/// So many blocks at a time.
const STEP: u32 = 1_000;
/// Behind what cannot be read each number is tried, as many as a page or a few may hold, and then ever fewer.
const TRIED_SINGLY: u32 = 64;
/// What is known of a salvage stands under this key.
const KEY: &str = "salvage";

/// Every table but the blocks, those that others refer to first, and how its rows are ordered.
const LEDGER: [(&str, &str); 15] = [
    ("device", "id"),
    ("log", "id"),
    ("session", "id"),
    ("anchor", "id"),
    ("gap", "id"),
    ("peer", "address"),
    ("sink", "name"),
    ("upload_cursor", "sink, log, kind"),
    ("errand", "id"),
    ("batch", "id"),
    ("receipt", "batch"),
    ("dead", "id"),
    ("quarantine", "id"),
    ("removed", "log, stream, why"),
    ("spell", "id"),
];

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
    /// Numbers whose blocks are lost, once it is done; each is in a gap.
    pub lost: u64,
}

/// Fetches all but the blocks into a database that is empty yet.
pub(super) fn take_ledger(
    connection: &mut Connection,
    from: &Path,
    now: UtcMicros,
) -> Result<(), OutboxError> {
    let tx = connection.transaction()?;
    let mut damaged_tables = Vec::new();
    match open(from) {
        Ok(old) => {
            for (table, order) in LEDGER {
                if copy_table(&old, &tx, table, order)? {
                    damaged_tables.push(table.to_owned());
                }
            }
        }
        Err(_) => damaged_tables.extend(LEDGER.map(|(table, _)| table.to_owned())),
    }
    let through_log: LogKey = tx.query_row("SELECT coalesce(max(id), 0) FROM log", [], |row| row.get(0))?;
    tx.execute(sql!("session_interrupt"), [])?;
    tx.execute(sql!("salvage_session"), params![through_log, now])?;
    tx.execute(sql!("salvage_era"), [now])?;
    tx.execute(sql!("salvage_anchors"), [through_log])?;
    let file = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    note(&tx, &Salvage { file, through_log, done: false, damaged_tables, blocks: 0, lost: 0 })?;
    tx.commit()?;
    Ok(())
}

/// What is known of a salvage.
pub(super) fn known(connection: &Connection) -> Result<Option<Salvage>, OutboxError> {
    let text = connection.query_row(sql!("meta_get"), [KEY], |row| row.get::<_, String>(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

impl super::Outbox {
    /// Whether blocks of a damaged database are still being fetched.
    pub async fn is_salvaging(&self) -> Result<bool, OutboxError> {
        self.read(|tx| Ok(known(tx)?.is_some_and(|salvage| !salvage.done))).await
    }
}

fn note(tx: &Transaction<'_>, salvage: &Salvage) -> Result<(), OutboxError> {
    let text = serde_json::to_string(salvage).unwrap_or_default();
    tx.execute(sql!("meta_put"), params![KEY, text])?;
    Ok(())
}

/// Fetches some more blocks. Returns how it stands.
pub(super) fn step(tx: &Transaction<'_>, dir: &Path, now: UtcMicros) -> Result<Option<Salvage>, OutboxError> {
    let Some(mut salvage) = known(tx)?.filter(|salvage| !salvage.done) else { return Ok(None) };
    let path = dir.join(&salvage.file);
    let old = open(&path).ok();
    for log in logs::all(tx)?.into_iter().filter(|log| log.key <= salvage.through_log) {
        let after = tx.query_row(sql!("salvage_reached"), [log.key], |row| row.get(0))?;
        let found = old.as_ref().map_or_else(Vec::new, |old| read_on(old, log.key, after, log.cursor));
        if let [_, ..] = found[..] {
            salvage.blocks += found.len() as u64;
            insert(tx, log.key, &found)?;
            note(tx, &salvage)?;
            return Ok(Some(salvage));
        }
    }
    for log in logs::all(tx)?.into_iter().filter(|log| log.key <= salvage.through_log) {
        salvage.lost += name_holes(tx, &log, &salvage.file, now)?;
    }
    salvage.done = true;
    note(tx, &salvage)?;
    // Without the names of logs and watches there may be more in it than could be placed.
    let is_placed = !salvage.damaged_tables.iter().any(|table| table == "log" || table == "device");
    if let Some(error) = is_placed.then(|| aside::is_done_with(&path)).and_then(Result::err) {
        tracing::debug!(%error, "The salvage is done, which could not be noted beside the damaged file.");
    }
    Ok(Some(salvage))
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Otherwise SQLite reads nothing of a file that ends too early.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
    Ok(connection)
}

/// Copies the rows that can be read: from the beginning up to the damage, and then from the end. Whether there was damage.
fn copy_table(old: &Connection, tx: &Transaction<'_>, table: &str, order: &str) -> Result<bool, OutboxError> {
    let Ok(columns) = common_columns(old, tx, table) else { return Ok(true) };
    if columns.is_empty() {
        return Ok(true);
    }
    let names = columns.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    // The new database is empty but for these rows, so a row that is there already is one that came from the other end.
    let mut insert = tx.prepare(&format!("INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})"))?;
    let backwards = order.split(", ").map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
    for order in [order, &backwards] {
        let query = format!("SELECT {names} FROM {table} ORDER BY {order}");
        let Ok(mut select) = old.prepare(&query) else { return Ok(true) };
        let Ok(mut rows) = select.query([]) else { return Ok(true) };
        loop {
            match rows.next() {
                Ok(None) => return Ok(false),
                Ok(Some(row)) => {
                    let values = (0..columns.len()).map(|index| row.get::<_, Value>(index));
                    let Ok(values) = values.collect::<Result<Vec<_>, _>>() else { continue };
                    // A row whose like is lost, or that is nonsense, is no loss.
                    let _ = insert.execute(params_from_iter(values));
                }
                Err(_) => break,
            }
        }
    }
    Ok(true)
}

fn common_columns(old: &Connection, new: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let columns = |connection: &Connection| {
        let mut list = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        list.query_map([table], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
    };
    let known = columns(new)?;
    Ok(columns(old)?.into_iter().filter(|column| known.contains(column)).collect())
}

/// A block as it was stored, with the second in which it was.
type Found = (blocks::StoredBlock, i64);

/// The next blocks that can be read and whose checksum is right.
fn read_on(old: &Connection, log: LogKey, after: Seq, end: Seq) -> Vec<Found> {
    let (mut found, mut after, mut failures) = (Vec::new(), after, 0_u32);
    while after < end && found.len() < STEP as usize {
        let is_whole = read_some(old, log, after, &mut found).unwrap_or(false);
        if is_whole {
            break;
        }
        let reached = found.last().map_or(after, |(block, _): &Found| block.seq.max(after));
        failures = if reached > after { 0 } else { failures + 1 };
        after = Seq(reached.0.saturating_add(1 << (failures / TRIED_SINGLY).min(10)));
    }
    found
}

/// Reads until the end, or until enough is read: `true`. Until damage: `false`.
fn read_some(old: &Connection, log: LogKey, after: Seq, found: &mut Vec<Found>) -> rusqlite::Result<bool> {
    let mut select = old.prepare_cached(sql!("salvage_blocks"))?;
    let mut rows = select.query(params![log, after, STEP])?;
    while let Some(row) = rows.next()? {
        let Ok(block) = blocks::block(row) else { continue };
        let is_itself = RawBlock::parse(block.body.clone()).is_ok_and(|raw| raw.header().seq == block.seq);
        if is_itself {
            let received_s = row.get(5)?;
            found.push((block, received_s));
        }
    }
    Ok(true)
}

fn insert(tx: &Transaction<'_>, log: LogKey, found: &[Found]) -> Result<(), OutboxError> {
    let mut insert = tx.prepare_cached(sql!("salvage_insert"))?;
    for (block, received_s) in found {
        let blocks::StoredBlock { seq, boot, t0_ms, stream, samples, body, .. } = block;
        insert.execute(params![
            log,
            seq,
            received_s,
            boot,
            t0_ms.cast_signed(),
            stream,
            samples,
            &body[..]
        ])?;
    }
    Ok(())
}

/// Writes down which numbers were lost. Returns how many.
fn name_holes(tx: &Transaction<'_>, log: &Log, file: &str, now: UtcMicros) -> Result<u64, OutboxError> {
    let mut known = tx.prepare_cached(sql!("salvage_known_ranges"))?;
    let end = log.cursor.0.saturating_add(1);
    let ranges = known.query_map(params![log.key, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (mut next, mut lost, mut holes) = (1_u32, 0, Vec::new());
    for range in ranges {
        let (from, to): (u32, u32) = range?;
        // A first era begins at 1; where a later one began is not known.
        if from > next && (log.era == 1 || next > 1) {
            holes.push((next, from - 1));
        }
        next = next.max(to.saturating_add(1));
    }
    let detail = format!("lost with damaged pages of {file}");
    for (from, to) in holes {
        let values = params![log.key, None::<i64>, from, to, "corrupt", detail, now];
        tx.prepare_cached(sql!("gap_insert"))?.execute(values)?;
        lost += u64::from(to - from) + 1;
    }
    Ok(lost)
}
