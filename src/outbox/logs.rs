//! Logs: which life of which watch's counter a block number belongs to.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{LogKey, Outbox, OutboxError};
use crate::measurement::UtcMicros;
use crate::wire::bridge::{DeviceId, LogId, Seq};

/// One era of one log of one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Its number here.
    pub key: LogKey,
    /// The watch.
    pub device: DeviceId,
    /// The log's name on the watch.
    pub log_id: LogId,
    /// 1, and one more each time the watch's counter was found to have gone backwards.
    pub era: u32,
    /// Whether its measurements are simulated or replayed.
    pub synthetic: bool,
    /// Everything up to here is stored or named as a gap.
    pub cursor: Seq,
    /// It was salvaged without what said whose it is, or whether it was simulated: it is kept, and not sent.
    #[serde(default)]
    pub adrift: bool,
}

impl Outbox {
    /// The newest era of a watch's log. A log not seen before begins with its cursor at `start`: the number before the
    /// oldest block that the watch still has.
    ///
    /// Should the synthetic mark differ from the one on record, a new era begins: one log never mixes the two.
    pub async fn watch_log(
        &self,
        device: DeviceId,
        log_id: LogId,
        synthetic: bool,
        start: Seq,
    ) -> Result<Log, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| present(tx, (device, log_id), synthetic, start, now)).await
    }

    /// Begins a new era after `log`, whose counter has gone backwards.
    pub async fn new_era(&self, log: LogKey, start: Seq) -> Result<Log, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let old = get(tx, log)?;
            insert(tx, (old.device, old.log_id), old.synthetic, start, now)
        })
        .await
    }

    /// Every log, oldest first.
    pub async fn logs(&self) -> Result<Vec<Log>, OutboxError> {
        self.read(all).await
    }
}

pub(super) fn ensure_device(tx: &Transaction<'_>, device: DeviceId) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("device_ensure"))?.execute([device])?;
    Ok(())
}

pub(super) fn all(tx: &Transaction<'_>) -> Result<Vec<Log>, OutboxError> {
    Ok(tx.prepare_cached(sql!("log_all"))?.query_map([], log)?.collect::<Result<_, _>>()?)
}

/// Where a log stands, as part of a transaction.
pub(super) fn cursor(tx: &Transaction<'_>, key: LogKey) -> Result<Seq, OutboxError> {
    let found = tx.prepare_cached(sql!("log_cursor"))?.query_row([key], |row| row.get(0)).optional()?;
    found.ok_or(OutboxError::UnknownLog(key))
}

fn get(tx: &Transaction<'_>, key: LogKey) -> Result<Log, OutboxError> {
    let found = tx.prepare_cached(sql!("log_get"))?.query_row([key], log).optional()?;
    found.ok_or(OutboxError::UnknownLog(key))
}

/// The newest era, as part of a transaction.
pub(super) fn present(
    tx: &Transaction<'_>,
    (device, log_id): (DeviceId, LogId),
    synthetic: bool,
    start: Seq,
    now: UtcMicros,
) -> Result<Log, OutboxError> {
    let newest = tx.prepare_cached(sql!("log_newest"))?.query_row((device, log_id), log).optional()?;
    match newest {
        Some(known) if known.synthetic == synthetic => Ok(known),
        _ => insert(tx, (device, log_id), synthetic, start, now),
    }
}

/// Adds an era, as part of a transaction.
pub(super) fn insert(
    tx: &Transaction<'_>,
    (device, log_id): (DeviceId, LogId),
    synthetic: bool,
    start: Seq,
    now: UtcMicros,
) -> Result<Log, OutboxError> {
    ensure_device(tx, device)?;
    let values = params![device, log_id, synthetic, start, now];
    let key = tx.prepare_cached(sql!("log_insert"))?.query_row(values, |row| row.get(0))?;
    get(tx, key)
}

fn log(row: &Row<'_>) -> rusqlite::Result<Log> {
    Ok(Log {
        key: row.get(0)?,
        device: row.get(1)?,
        log_id: row.get(2)?,
        era: row.get(3)?,
        synthetic: row.get(4)?,
        cursor: row.get(5)?,
        adrift: row.get(6)?,
    })
}
