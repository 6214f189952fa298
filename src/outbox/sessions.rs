//! Sessions: when a watch was heard and what came of it.

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::{LogKey, Outbox, OutboxError, SessionKey, columns, logs};
use crate::measurement::UtcMicros;
use crate::wire::bridge::DeviceId;

/// What came of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// The log it was about, if it became known.
    pub log: Option<LogKey>,
    /// How it ended, in a word or a sentence.
    pub outcome: String,
    /// Blocks that came.
    pub fetched: u64,
    /// Blocks that were stored.
    pub new: u64,
    /// Blocks that were stored already.
    pub duplicate: u64,
    /// Blocks that could not be stored.
    pub rejected: u64,
    /// When the newest sample was taken.
    pub newest: Option<UtcMicros>,
}

/// A session on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its number.
    pub key: SessionKey,
    /// The watch.
    pub device: DeviceId,
    /// When it began.
    pub started: UtcMicros,
    /// When it ended; `None` while it runs, and if nowbridge was stopped before it ended.
    pub ended: Option<UtcMicros>,
    /// What came of it; `None` while it runs.
    pub report: Option<SessionReport>,
}

impl Outbox {
    /// Notes that a session with a watch begins.
    pub async fn begin_session(
        &self,
        device: DeviceId,
        log: Option<LogKey>,
    ) -> Result<SessionKey, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            logs::ensure_device(tx, device)?;
            let mut begin = tx.prepare_cached(sql!("session_begin"))?;
            Ok(begin.query_row(params![device, log, now], |row| row.get(0))?)
        })
        .await
    }

    /// Notes how a session ended.
    pub async fn end_session(&self, session: SessionKey, report: SessionReport) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let changed = tx.prepare_cached(sql!("session_end"))?.execute(params![
                session,
                now,
                report.outcome,
                report.log,
                report.fetched.cast_signed(),
                report.new.cast_signed(),
                report.duplicate.cast_signed(),
                report.rejected.cast_signed(),
                report.newest,
            ])?;
            if changed == 0 { Err(OutboxError::UnknownSession(session)) } else { Ok(()) }
        })
        .await
    }

    /// The newest sessions, newest first. One that nowbridge did not live to end has the outcome `interrupted`.
    pub async fn sessions(&self, limit: u32) -> Result<Vec<SessionRow>, OutboxError> {
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("session_list"))?;
            Ok(list.query_map([limit], session)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The newest sessions since then, newest first; of one watch, or of all.
    pub async fn sessions_since(
        &self,
        since: UtcMicros,
        device: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<SessionRow>, OutboxError> {
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("session_since"))?;
            Ok(list.query_map(params![since, device, limit], session)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        key: row.get("id")?,
        device: row.get("device_id")?,
        started: row.get("started_us")?,
        ended: row.get("ended_us")?,
        report: row.get::<_, Option<String>>("outcome")?.map(|outcome| report(row, outcome)).transpose()?,
    })
}

fn report(row: &Row<'_>, outcome: String) -> rusqlite::Result<SessionReport> {
    Ok(SessionReport {
        log: row.get("log")?,
        outcome,
        fetched: columns::count(row, "fetched")?,
        new: columns::count(row, "new")?,
        duplicate: columns::count(row, "duplicate")?,
        rejected: columns::count(row, "rejected")?,
        newest: row.get("newest_us")?,
    })
}
