//! What is waiting to be sent.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::blocks::from_seconds;
use super::{Log, LogKey, Outbox, OutboxError, SinkName, columns, logs};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{DeviceId, STREAMS, Seq, Stream};

/// The unsent blocks of one kind in one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// The log.
    pub log: LogKey,
    /// The watch.
    pub device: DeviceId,
    /// Whether the measurements are simulated or replayed.
    pub synthetic: bool,
    /// The kind.
    pub kind: Kind,
    /// The stream that feeds it.
    pub stream: Stream,
    /// The oldest block that is not sent, or not whole.
    pub unsent_from: Seq,
    /// Samples at its beginning that are past.
    pub skip: u16,
    /// Blocks that are not sent, or not whole.
    pub blocks: u64,
    /// Samples that are not sent.
    pub samples: u64,
    /// When we stored the oldest of them, to the second.
    pub oldest_received: UtcMicros,
}

impl Outbox {
    /// What a sink has not been sent yet, for each log and each kind that has a stream of its own; longest waiting first.
    /// The blocks of an open batch are still unsent.
    pub async fn backlog(&self, sink: &SinkName) -> Result<Vec<Backlog>, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| backlog(tx, &sink)).await
    }
}

pub(super) fn backlog(tx: &Transaction<'_>, sink: &SinkName) -> Result<Vec<Backlog>, OutboxError> {
    let mut waiting = Vec::new();
    for log in logs::all(tx)? {
        for (stream, kind) in STREAMS.iter().filter_map(|info| Some((info.stream, info.kind?))) {
            waiting.extend(unsent(tx, sink, &log, stream, kind)?);
        }
    }
    waiting.sort_by_key(|backlog: &Backlog| backlog.oldest_received);
    Ok(waiting)
}

fn unsent(
    tx: &Transaction<'_>,
    sink: &SinkName,
    log: &Log,
    stream: Stream,
    kind: Kind,
) -> rusqlite::Result<Option<Backlog>> {
    let mut find = tx.prepare_cached(sql!("block_unsent"))?;
    find.query_row(params![log.key, stream, sink, kind], |row| {
        Ok(Backlog {
            log: log.key,
            device: log.device,
            synthetic: log.synthetic,
            kind,
            stream,
            unsent_from: row.get("first_seq")?,
            skip: row.get("skip")?,
            blocks: columns::count(row, "blocks")?,
            samples: columns::count(row, "samples")?,
            oldest_received: from_seconds(row.get("received_s")?),
        })
    })
    .optional()
}
