//! Quarantine: samples without a time that can be believed. They are kept and not sent, the upload cursor passes them, and when
//! more is known of the clock they leave by an errand.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::batches::{find_open, next_unsent, samples_in, set_state, stream_of, tidied};
use super::errands::{self, ErrandState, ErrandWhy, NewErrand};
use super::settle::{Change, pass};
use super::{
    AnchorKey, BatchState, Errand, ErrandKey, LogKey, Outbox, OutboxError, Position, QuarantineKey, SinkName,
    Span, columns,
};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{Boot, Seq};

/// A run of samples to be held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Where it would go.
    pub sink: SinkName,
    /// The log.
    pub log: LogKey,
    /// What it would be sent as.
    pub kind: Kind,
    /// The run.
    pub span: Span,
    /// The one boot that it is of.
    pub boot: Boot,
    /// Why, in a word or two: equal causes are one run.
    pub cause: String,
    /// Why, in a sentence.
    pub detail: String,
}

/// A run that is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRun {
    /// Its number.
    pub key: QuarantineKey,
    /// Where it would go.
    pub sink: SinkName,
    /// The log.
    pub log: LogKey,
    /// What it would be sent as.
    pub kind: Kind,
    /// The run.
    pub span: Span,
    /// The boot that it is of.
    pub boot: Boot,
    /// Samples in it.
    pub samples: u64,
    /// Why, in a word or two.
    pub cause: String,
    /// Why, in a sentence.
    pub detail: String,
    /// Since when.
    pub at: UtcMicros,
    /// When it was let go; `None` while it is held.
    pub released: Option<UtcMicros>,
}

impl Outbox {
    /// Puts the next unsent samples of a kind into quarantine and moves the upload cursor behind them. What follows on a run that is
    /// held for the same cause becomes part of it. A batch of them that was open is closed.
    pub async fn hold_back(&self, run: HeldBack) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| hold_back(tx, &run, now)).await
    }

    /// What is held back, oldest first.
    pub async fn quarantine(&self) -> Result<Vec<HeldRun>, OutboxError> {
        self.read(|tx| {
            let mut list = tx.prepare_cached(sql!("quarantine_list"))?;
            Ok(list.query_map([], read)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Lets a run go: it is to be sent by an errand. `None` if that was done before.
    pub async fn release(&self, run: QuarantineKey) -> Result<Option<Errand>, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            if tx.prepare_cached(sql!("quarantine_release"))?.execute(params![run, now])? == 0 {
                return Ok(None);
            }
            let held = tx.prepare_cached(sql!("quarantine_get"))?.query_row([run], read)?;
            let HeldRun { sink, log, kind, span, .. } = held;
            errands::ask(tx, &NewErrand { sink, log, kind, span, why: ErrandWhy::Release }, now).map(Some)
        })
        .await
    }

    /// Takes back what is left of a release that turned out to have no date after all.
    pub async fn hold_again(&self, errand: ErrandKey, run: HeldBack) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            errands::waiting(tx, errand)?;
            if let Some(open) = find_open(tx, &run.sink, run.log, run.kind, Some(errand))? {
                set_state(tx, open.key, BatchState::Recut)?;
            }
            let samples = errands::samples_of(tx, errand, run.span)?;
            insert(tx, &run, samples, now)?;
            errands::finish(tx, errand, ErrandState::GivenUp, now)
        })
        .await
    }

    /// The newest anchor of a log.
    pub async fn newest_anchor(&self, log: LogKey) -> Result<Option<AnchorKey>, OutboxError> {
        self.read(move |tx| {
            Ok(tx.prepare_cached(sql!("anchor_newest"))?.query_row([log], |row| row.get(0))?)
        })
        .await
    }
}

fn hold_back(tx: &Transaction<'_>, run: &HeldBack, now: UtcMicros) -> Result<(), OutboxError> {
    let HeldBack { sink, log, kind, boot, cause, .. } = run;
    let span = tidied(tx, *log, run.span)?;
    let expected = next_unsent(tx, sink, *log, *kind)?;
    if expected != Some(span.start()) {
        return Err(OutboxError::NotNext { expected, got: span.start() });
    }
    if let Some(open) = find_open(tx, sink, *log, *kind, None)? {
        set_state(tx, open.key, BatchState::Recut)?;
    }
    let samples = samples_in(tx, *log, stream_of(*kind), span)?;
    let mut newest = tx.prepare_cached(sql!("quarantine_newest"))?;
    let newest = newest.query_row(params![sink, log, kind, boot, cause], read).optional()?;
    let cursor = cursor(tx, sink, *log, *kind)?;
    match newest.filter(|newest| Some(newest.span.end()) == cursor) {
        Some(held) => {
            let values = params![held.key, span.last, span.upto, samples];
            tx.prepare_cached(sql!("quarantine_extend"))?.execute(values)?;
        }
        None => insert(tx, &HeldBack { span, ..run.clone() }, samples, now)?,
    }
    let held = i64::from(samples);
    pass(tx, (sink, *log, *kind), span, Change { held, ..Change::default() }, None)
}

/// The place that the upload cursor stands at.
fn cursor(
    tx: &Transaction<'_>,
    sink: &SinkName,
    log: LogKey,
    kind: Kind,
) -> Result<Option<Position>, OutboxError> {
    let place = |row: &Row<'_>| Ok(Position { seq: row.get::<_, Seq>(0)?.next(), sample: row.get(1)? });
    let mut get = tx.prepare_cached(sql!("upload_cursor_get"))?;
    Ok(get.query_row(params![sink, log, kind], place).optional()?)
}

fn insert(tx: &Transaction<'_>, run: &HeldBack, samples: u32, now: UtcMicros) -> Result<(), OutboxError> {
    let HeldBack { sink, log, kind, span, boot, cause, detail } = run;
    let Span { first, skip, last, upto } = span;
    let mut insert = tx.prepare_cached(sql!("quarantine_insert"))?;
    insert.execute(params![sink, log, kind, first, skip, last, upto, boot, samples, cause, detail, now])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<HeldRun> {
    Ok(HeldRun {
        key: row.get("id")?,
        sink: row.get("sink")?,
        log: row.get("log")?,
        kind: row.get("kind")?,
        span: Span::of_row(row)?,
        boot: row.get("boot")?,
        samples: columns::count(row, "samples")?,
        cause: row.get("cause")?,
        detail: row.get("detail")?,
        at: row.get("at_us")?,
        released: row.get("released_us")?,
    })
}
