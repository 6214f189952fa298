//! Everything but the blocks: a few rows, table by table, and who the logs are of if the tables that say so are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Transaction, params, params_from_iter};
use uuid::Uuid;

use super::pages::Pages;
use super::{Salvage, carve, note};
use crate::measurement::UtcMicros;
use crate::outbox::{LogKey, OutboxError, database, logs};
use crate::wire::bridge::{DeviceId, LogId, Seq};

/// A table, and how its rows are ordered.
type Table = (&'static str, &'static str);

/// Tables that others refer to.
const DEVICE: Table = ("device", "id");
const LOG: Table = ("log", "id");

/// Every other table but the blocks, those that others refer to first.
const OTHERS: [Table; 19] = [
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
    ("sent_day", "sink, log, kind, day"),
    ("sink_end", "id"),
    ("firmware_update", "id"),
    ("firmware_step", "id"),
    ("firmware_refused", "device_id, file_sha256"),
    ("firmware_trust", "device_id"),
];

/// Where the same stands as in the rows of `device`: an index has pages of its own.
const DEVICE_COPY: &str = "INSERT OR IGNORE INTO device (id, device_id) VALUES (?, ?)";
const DEVICE_INDEX: &str = "SELECT id, device_id FROM device INDEXED BY sqlite_autoindex_device_1";
/// All but the cursor, which follows from other things.
const LOG_COPY: &str = "INSERT OR IGNORE INTO log
    (id, device, log_id, era, synthetic, opened_us, removed_through, adrift, cursor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)";
const LOG_INDEX: &str = "SELECT id, device, log_id, era, synthetic, opened_us, removed_through, adrift
    FROM log INDEXED BY log_again";
const LOG_DEVICES: &str = "SELECT DISTINCT device FROM log INDEXED BY log_again";
/// In databases that have no other.
const LOG_COPY_ADRIFT: &str = "INSERT OR IGNORE INTO log
    (id, device, log_id, era, synthetic, opened_us, removed_through, adrift, cursor) VALUES (?, ?, ?, ?, 1, 0, 0, 1, 0)";
const LOG_OLD_INDEX: &str = "SELECT id, device, log_id, era FROM log INDEXED BY sqlite_autoindex_log_1";

/// What an earlier salvage wrote down of what was sent before it.
const BATCHES_KNOWN: &str = "SELECT key, value FROM meta WHERE key LIKE 'salvage batches %'";
const BATCHES_COPY: &str = "INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)";

/// Fetches all but the blocks into a database that is empty yet.
pub(in crate::outbox) fn take_ledger(
    connection: &mut Connection,
    from: &Path,
    now: UtcMicros,
) -> Result<(), OutboxError> {
    let tx = connection.transaction()?;
    // Beside an empty file SQLite would throw the write-ahead log away.
    let is_empty = database::size_of(from).is_ok_and(|bytes| bytes == 0);
    let old = if is_empty { None } else { open(from).ok() };
    let page_size = page_size(from);
    let mut damaged_tables = Vec::new();
    let mut copy = |table: Table| -> Result<bool, OutboxError> {
        let is_damaged = old.as_ref().map_or(Ok(true), |old| copy_table(old, &tx, table))?;
        if is_damaged {
            damaged_tables.push(table.0.to_owned());
        }
        Ok(is_damaged)
    };
    if copy(DEVICE)?
        && let Some(old) = &old
    {
        copy_rows(old, &tx, DEVICE_INDEX, DEVICE_COPY)?;
    }
    // Whoever is referred to has a place, so that what refers to them has one.
    let strangers = old.as_ref().map_or_else(|| Ok(Vec::new()), |old| stand_ins(old, &tx))?;
    let ends = if copy(LOG)? {
        let ends = found_ends(from, page_size);
        restore_logs(old.as_ref(), &tx, &ends, now)?;
        Some(ends)
    } else {
        None
    };
    for device in strangers {
        tx.execute("UPDATE log SET adrift = 1 WHERE device = ?1", [device])?;
    }
    for table in OTHERS {
        copy(table)?;
    }
    if let Some(ends) = ends {
        restore_cursors(&tx, &ends)?;
    }
    let through_log: LogKey = tx.query_row("SELECT coalesce(max(id), 0) FROM log", [], |row| row.get(0))?;
    let adrift: i64 = tx.query_row("SELECT count(*) FROM log WHERE adrift = 1", [], |row| row.get(0))?;
    tx.execute(sql!("session_interrupt"), [])?;
    if let Some(old) = &old {
        copy_rows(old, &tx, BATCHES_KNOWN, BATCHES_COPY)?;
    }
    tx.execute(sql!("salvage_batches"), [])?;
    tx.execute(sql!("salvage_session"), params![through_log, now])?;
    tx.execute(sql!("salvage_era"), [now])?;
    tx.execute(sql!("salvage_anchors"), [through_log])?;
    let salvage = Salvage {
        file: from.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        through_log,
        done: false,
        damaged_tables,
        blocks: 0,
        lost: 0,
        adrift: adrift.unsigned_abs(),
        next_page: Some(1),
        page_size,
    };
    note(&tx, &salvage)?;
    tx.commit()?;
    Ok(())
}

/// Opens a damaged database to read what can be read.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Otherwise SQLite reads nothing of a file that ends too early.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
    Ok(connection)
}

/// Which logs a file says that it holds.
pub(super) fn logs_in(path: &Path) -> Vec<(LogKey, (DeviceId, LogId, u32))> {
    let Ok(old) = open(path) else { return Vec::new() };
    let names =
        "SELECT log.id, device.device_id, log.log_id, log.era FROM log JOIN device ON device.id = log.device";
    each(&old, names, |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))))
}

/// Bytes in a page; where nothing says so, that of which most blocks are found.
pub(super) fn page_size(path: &Path) -> Option<u32> {
    let guesses = Pages::guesses(path);
    if let [known] = guesses[..] {
        return Some(known);
    }
    let blocks = |size: &u32| {
        let pages = Pages::open(path, Some(*size));
        pages.map_or(0, |pages| (1..=pages.count()).map(|page| carve::blocks(&pages, page).len()).sum())
    };
    guesses.into_iter().max_by_key(blocks)
}

/// The logs of which there are blocks, and the highest number of each.
fn found_ends(path: &Path, size: Option<u32>) -> BTreeMap<LogKey, Seq> {
    let mut ends = BTreeMap::<LogKey, Seq>::new();
    let Some(pages) = Pages::open(path, size) else { return ends };
    for found in (1..=pages.count()).flat_map(|page| carve::blocks(&pages, page)) {
        let end = ends.entry(found.log).or_default();
        *end = found.seq().max(*end);
    }
    ends
}

/// What the table of logs does not say: from its index, and where that is lost, too, that there was such a log.
fn restore_logs(
    old: Option<&Connection>,
    tx: &Transaction<'_>,
    ends: &BTreeMap<LogKey, Seq>,
    now: UtcMicros,
) -> Result<(), OutboxError> {
    // Whose sessions were: that says which logs belong together, even if not whose they are.
    let (mut owners, mut logs) = (BTreeMap::new(), ends.keys().copied().collect::<BTreeSet<_>>());
    if let Some(old) = old {
        let pairs = each(old, "SELECT DISTINCT log, device FROM session WHERE log IS NOT NULL", |row| {
            Ok((row.get::<_, LogKey>(0)?, row.get::<_, i64>(1)?))
        });
        owners.extend(pairs);
        copy_rows(old, tx, LOG_INDEX, LOG_COPY)?;
        copy_rows(old, tx, LOG_OLD_INDEX, LOG_COPY_ADRIFT)?;
        for (table, _) in OTHERS.iter().filter(|(table, _)| has_log(table)) {
            let named = format!("SELECT DISTINCT log FROM {table} WHERE log IS NOT NULL");
            logs.extend(each(old, &named, |row| row.get::<_, LogKey>(0)));
        }
    }
    for log in logs.into_iter().filter(|log| log.0 > 0) {
        let is_there: bool =
            tx.query_row("SELECT count(*) FROM log WHERE id = ?1", [log], |row| row.get(0))?;
        if !is_there {
            let device = owners.get(&log).map_or_else(|| nobody(tx, None), |device| Ok(*device))?;
            tx.execute(sql!("salvage_adrift"), params![log, device, now])?;
        }
    }
    Ok(())
}

/// How far each log went. One without a block went somewhere, too: where the one before it ended, or where it was forgotten.
fn restore_cursors(tx: &Transaction<'_>, ends: &BTreeMap<LogKey, Seq>) -> Result<(), OutboxError> {
    // The oldest first, which those after it begin behind.
    for log in logs::all(tx)?.into_iter().map(|log| log.key).collect::<BTreeSet<_>>() {
        let end = ends.get(&log).copied().unwrap_or_default();
        tx.execute(sql!("salvage_cursor"), params![log, end])?;
    }
    Ok(())
}

fn has_log(table: &str) -> bool {
    !matches!(table, "peer" | "sink" | "sink_end" | "receipt" | "spell") && !table.starts_with("firmware_")
}

/// Makes somebody in the place of each device of which nothing but its number here is known. Returns these numbers.
fn stand_ins(old: &Connection, tx: &Transaction<'_>) -> Result<Vec<i64>, OutboxError> {
    let referring =
        ["SELECT device FROM log NOT INDEXED", LOG_DEVICES, "SELECT DISTINCT device FROM session"];
    let named = referring.into_iter().flat_map(|query| each(old, query, |row| row.get::<_, i64>(0)));
    let mut strangers = Vec::new();
    for device in named.collect::<BTreeSet<_>>() {
        let is_there: bool =
            tx.query_row("SELECT count(*) FROM device WHERE id = ?1", [device], |row| row.get(0))?;
        if !is_there {
            strangers.push(nobody(tx, Some(device))?);
        }
    }
    Ok(strangers)
}

/// A random id: no watch has it, and no two are mixed.
fn nobody(tx: &Transaction<'_>, number: Option<i64>) -> Result<i64, OutboxError> {
    let id = Uuid::new_v4();
    tx.execute("INSERT INTO device (id, device_id) VALUES (?1, ?2)", params![number, id.as_bytes()])?;
    Ok(tx.last_insert_rowid())
}

/// What a query finds until it meets damage.
fn each<T>(
    old: &Connection,
    query: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let Ok(mut select) = old.prepare(query) else { return Vec::new() };
    let Ok(rows) = select.query_map([], read) else { return Vec::new() };
    rows.map_while(Result::ok).collect()
}

/// Copies what a query finds until it meets damage.
fn copy_rows(old: &Connection, tx: &Transaction<'_>, select: &str, insert: &str) -> Result<(), OutboxError> {
    let mut insert = tx.prepare(insert)?;
    let rows = each(old, select, |row| {
        let columns = row.as_ref().column_count();
        (0..columns).map(|index| row.get::<_, Value>(index)).collect::<Result<Vec<_>, _>>()
    });
    for row in rows {
        // Nonsense is no loss.
        let _ = insert.execute(params_from_iter(row));
    }
    Ok(())
}

/// Copies the rows that can be read: from the beginning up to the damage, and then from the end. Whether there was damage.
fn copy_table(old: &Connection, tx: &Transaction<'_>, (table, order): Table) -> Result<bool, OutboxError> {
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
        // Not by an index, which may be whole where the table is not.
        let query = format!("SELECT {names} FROM {table} NOT INDEXED ORDER BY {order}");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::migrate;

    /// Whoever adds a table says here what a salvage does with it.
    #[test]
    fn no_table_is_forgotten() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::run(&mut connection).unwrap();
        let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let tables: BTreeSet<String> = each(&connection, names, |row| row.get(0)).into_iter().collect();
        // The blocks are looked for page by page, and what is said about them follows from them; the rest is of the file itself.
        let otherwise = ["block", "stream_index", "salvaged", "meta"];
        let known = OTHERS.iter().chain([&DEVICE, &LOG]).map(|(table, _)| *table).chain(otherwise);
        assert_eq!(tables, known.map(str::to_owned).collect());
        for (table, _) in OTHERS.iter().filter(|(table, _)| has_log(table)) {
            connection.prepare(&format!("SELECT log FROM {table}")).unwrap();
        }
    }
}
