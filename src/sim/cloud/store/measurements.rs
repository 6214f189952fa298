//! Measurements: a blob per user, kind and UTC hour; a row per user, kind and UTC day for when it came.

use rusqlite::{OptionalExtension, Transaction, params};

use super::users::UserId;
use crate::measurement::{Day, Kind};
use crate::sim::cloud::PrivateCloudError;
use crate::sim::cloud::packed::{self, PackedHour};
use crate::sim::cloud::secrets::Sha;

/// So long an idempotency key is remembered. A batch that is older has been given up by any client.
const RECEIPT_MS: i64 = 90 * 86_400_000;

/// An upload, unpacked and checked.
pub(in crate::sim::cloud) struct Upload {
    pub kind: Kind,
    pub hours: Vec<PackedHour>,
    pub key: Option<String>,
    pub sha256: Sha,
    pub answer: String,
}

/// What became of an upload.
pub(in crate::sim::cloud) enum Stored {
    /// It is stored.
    Now,
    /// Its idempotency key had been answered before, with this.
    Before(String),
    /// Its idempotency key had been used for something else.
    KeyTaken,
}

/// When the values of a day came.
pub(in crate::sim::cloud) struct DayRow {
    pub day: Day,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// Merges an upload into what there is and keeps its receipt, together.
pub(in crate::sim::cloud) fn store_upload(
    tx: &Transaction<'_>,
    user: UserId,
    upload: &Upload,
    now_ms: i64,
) -> Result<Stored, PrivateCloudError> {
    if let Some(key) = &upload.key
        && let Some((sha256, answer)) = receipt(tx, user, key)?
    {
        return Ok(if sha256 == upload.sha256 { Stored::Before(answer) } else { Stored::KeyTaken });
    }
    for hour in &upload.hours {
        merge_hour(tx, user, upload.kind, hour)?;
    }
    let mut days: Vec<i64> = upload.hours.iter().map(|hour| hour.hour.div_euclid(24)).collect();
    days.dedup();
    let mut touch = tx.prepare_cached(
        "INSERT INTO day (user, kind, day, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT DO UPDATE SET updated_ms = excluded.updated_ms",
    )?;
    for day in days {
        touch.execute(params![user.0, upload.kind.code(), day, now_ms])?;
    }
    tx.execute("UPDATE user SET last_sync_ms = ?2 WHERE id = ?1", [user.0, now_ms])?;
    if let Some(key) = &upload.key {
        tx.execute("DELETE FROM receipt WHERE at_ms < ?1", [now_ms - RECEIPT_MS])?;
        tx.execute(
            "INSERT INTO receipt (user, key, sha256, answer, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![user.0, key, upload.sha256, upload.answer, now_ms],
        )?;
    }
    Ok(Stored::Now)
}

fn receipt(
    tx: &Transaction<'_>,
    user: UserId,
    key: &str,
) -> Result<Option<(Sha, String)>, PrivateCloudError> {
    let sql = "SELECT sha256, answer FROM receipt WHERE user = ?1 AND key = ?2";
    Ok(tx.query_row(sql, params![user.0, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn merge_hour(
    tx: &Transaction<'_>,
    user: UserId,
    kind: Kind,
    newer: &PackedHour,
) -> Result<(), PrivateCloudError> {
    let mut select =
        tx.prepare_cached("SELECT id, body FROM hour WHERE user = ?1 AND kind = ?2 AND hour = ?3")?;
    let older = select.query_row(params![user.0, kind.code(), newer.hour], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    if let Some((id, older)) = older.optional()? {
        let merged = packed::merge(kind, &older, newer).map_err(|what| PrivateCloudError::Damaged {
            kind,
            hour: newer.hour,
            what,
        })?;
        let mut update = tx.prepare_cached("UPDATE hour SET count = ?2, body = ?3 WHERE id = ?1")?;
        update.execute(params![id, merged.count, merged.body])?;
    } else {
        let mut insert = tx
            .prepare_cached("INSERT INTO hour (user, kind, hour, count, body) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        insert.execute(params![user.0, kind.code(), newer.hour, newer.count, newer.body])?;
    }
    Ok(())
}

/// The days from `first` to `last` that have values, in order.
pub(in crate::sim::cloud) fn days(
    tx: &Transaction<'_>,
    user: UserId,
    kind: Kind,
    first: Day,
    last: Day,
) -> Result<Vec<DayRow>, PrivateCloudError> {
    let mut select = tx.prepare_cached(
        "SELECT day, created_ms, updated_ms FROM day
         WHERE user = ?1 AND kind = ?2 AND day BETWEEN ?3 AND ?4 ORDER BY day",
    )?;
    let rows = select.query_map(params![user.0, kind.code(), first.number(), last.number()], |row| {
        Ok(DayRow { day: Day::from_number(row.get(0)?), created_ms: row.get(1)?, updated_ms: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The JSON map of a day's values, and how many there are.
pub(in crate::sim::cloud) fn render_day(
    tx: &Transaction<'_>,
    user: UserId,
    kind: Kind,
    day: Day,
) -> Result<(String, usize), PrivateCloudError> {
    let (first, last) = hours_of(day, day);
    let mut select = tx.prepare_cached(
        "SELECT hour, body FROM hour WHERE user = ?1 AND kind = ?2 AND hour BETWEEN ?3 AND ?4 ORDER BY hour",
    )?;
    let mut rows = select.query(params![user.0, kind.code(), first, last])?;
    let (mut map, mut count) = ("{".to_owned(), 0);
    while let Some(row) = rows.next()? {
        let hour: i64 = row.get(0)?;
        let body = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        count += packed::write_json(kind, hour.rem_euclid(24) as u32, body, &mut map)
            .map_err(|what| PrivateCloudError::Damaged { kind, hour, what })?;
    }
    map.push('}');
    Ok((map, count))
}

/// Removes the days from `first` to `last`; answers how many values went.
pub(in crate::sim::cloud) fn delete(
    tx: &Transaction<'_>,
    user: UserId,
    kind: Kind,
    first: Day,
    last: Day,
) -> Result<i64, PrivateCloudError> {
    let (from, to) = hours_of(first, last);
    let range = params![user.0, kind.code(), from, to];
    let of = "FROM hour WHERE user = ?1 AND kind = ?2 AND hour BETWEEN ?3 AND ?4";
    let count = tx.query_row(&format!("SELECT coalesce(sum(count), 0) {of}"), range, |row| row.get(0))?;
    tx.execute(&format!("DELETE {of}"), range)?;
    let days = "DELETE FROM day WHERE user = ?1 AND kind = ?2 AND day BETWEEN ?3 AND ?4";
    tx.execute(days, params![user.0, kind.code(), first.number(), last.number()])?;
    Ok(count)
}

fn hours_of(first: Day, last: Day) -> (i64, i64) {
    (i64::from(first.number()) * 24, i64::from(last.number()) * 24 + 23)
}
