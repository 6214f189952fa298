//! Errands: what is sent out of turn, behind the upload cursor. A dead letter that is tried again, a run that leaves the
//! quarantine, or what the receiver has lost.

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::batches::{find_open, next_unsent, set_state, stream_of, tidied};
use super::{
    BatchState, ErrandKey, LogKey, Outbox, OutboxError, Position, SinkName, Span, StoredBlock, salvage,
};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::{DeviceId, RawBlock, Seq, Stream};

/// An errand to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewErrand {
    /// Where it goes.
    pub sink: SinkName,
    /// The log.
    pub log: LogKey,
    /// What it is sent as.
    pub kind: Kind,
    /// What is to be sent: for a retry, exactly what one dead letter holds.
    pub span: Span,
    /// Why.
    pub why: ErrandWhy,
}

/// An errand on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// Its number.
    pub key: ErrandKey,
    /// Where it goes.
    pub sink: SinkName,
    /// The log.
    pub log: LogKey,
    /// The watch.
    pub device: DeviceId,
    /// Whether the measurements are simulated or replayed.
    pub synthetic: bool,
    /// What it is sent as.
    pub kind: Kind,
    /// What is left of it.
    pub span: Span,
    /// Why.
    pub why: ErrandWhy,
    /// What became of it.
    pub state: ErrandState,
    /// When it was asked for.
    pub asked: UtcMicros,
    /// When it ended.
    pub ended: Option<UtcMicros>,
}

/// Why something is sent out of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrandWhy {
    /// A dead letter is tried again.
    Retry,
    /// What was in quarantine has got a date.
    Release,
    /// The receiver has lost it.
    Repair,
}

/// What became of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrandState {
    /// It is to be run, or half done.
    #[serde(rename = "waiting")]
    Waiting,
    /// All of it is confirmed.
    #[serde(rename = "done")]
    Done,
    /// Some of it was refused, or could not be sent.
    #[serde(rename = "given up")]
    GivenUp,
}

impl ErrandWhy {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Release, Self::Repair];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Release => "release",
            Self::Repair => "repair",
        }
    }
}

impl ErrandState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Done, Self::GivenUp];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::GivenUp => "given up",
        }
    }
}

/// A block of a span: the stored one, or what a dead letter has kept of one that is there no more.
pub(super) struct Piece {
    pub seq: Seq,
    pub samples: u16,
    pub received: UtcMicros,
    pub body: Bytes,
}

impl Outbox {
    /// Asks for something to be sent out of turn. What is asked for already is not asked for twice.
    pub async fn ask_errand(&self, errand: NewErrand) -> Result<Errand, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| ask(tx, &errand, now)).await
    }

    /// The errands of a sink that wait to be run, oldest first. Those of a damaged database wait until all its blocks are here.
    pub async fn errands(&self, sink: &SinkName) -> Result<Vec<Errand>, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("errand_waiting"))?;
            let errands: Vec<Errand> = list.query_map([sink], read)?.collect::<Result<_, _>>()?;
            // Half of its blocks may be yet to come, and what is sent without them would pass for all.
            let salvage = salvage::known(tx)?;
            let is_whole = |errand: &Errand| !salvage.as_ref().is_some_and(|it| it.is_fetching(errand.log));
            Ok(errands.into_iter().filter(is_whole).collect())
        })
        .await
    }

    /// An errand, whatever became of it.
    pub async fn errand(&self, key: ErrandKey) -> Result<Option<Errand>, OutboxError> {
        self.read(move |tx| find(tx, key)).await
    }

    /// Ends an errand of which nothing is left that could be sent.
    pub async fn end_errand(&self, key: ErrandKey, end: ErrandState) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let errand = waiting(tx, key)?;
            if let Some(open) = find_open(tx, &errand.sink, errand.log, errand.kind, Some(key))? {
                set_state(tx, open.key, BatchState::Recut)?;
            }
            finish(tx, key, end, now)
        })
        .await
    }

    /// The blocks of a span; of one that is there no more, what a dead letter of this sink and kind has kept.
    pub async fn blocks_or_letters(
        &self,
        sink: &SinkName,
        (log, kind): (LogKey, Kind),
        span: Span,
    ) -> Result<Vec<StoredBlock>, OutboxError> {
        let sink = sink.clone();
        let pieces = self.read(move |tx| pieces(tx, &sink, log, kind, span)).await?;
        let block = |piece: Piece| {
            let header = *RawBlock::parse(piece.body.clone()).ok()?.header();
            Some(StoredBlock {
                seq: piece.seq,
                boot: header.boot,
                t0_ms: header.t0_ms,
                stream: header.stream,
                samples: piece.samples,
                received: piece.received,
                body: piece.body,
            })
        };
        Ok(pieces.into_iter().filter_map(block).collect())
    }

    /// What of these blocks is not for a sink: it is dead, or in quarantine.
    pub async fn left_out(
        &self,
        sink: &SinkName,
        (log, kind): (LogKey, Kind),
        (first, last): (Seq, Seq),
    ) -> Result<Vec<Span>, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| {
            let mut find = tx.prepare_cached(sql!("left_out"))?;
            let spans = find.query_map(params![sink, log, kind, first, last], Span::of_row)?;
            Ok(spans.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Asks for an errand as part of a transaction.
pub(super) fn ask(tx: &Transaction<'_>, new: &NewErrand, now: UtcMicros) -> Result<Errand, OutboxError> {
    let NewErrand { sink, log, kind, why, .. } = new;
    let span = tidied(tx, *log, new.span)?;
    let Span { first, skip, last, upto } = span;
    let unsent = next_unsent(tx, sink, *log, *kind)?;
    if unsent.is_some_and(|unsent| unsent < span.end()) {
        return Err(OutboxError::NotPast { span });
    }
    if *why == ErrandWhy::Retry {
        let mut open = tx.prepare_cached(sql!("dead_is_open"))?;
        let is_open: bool = open.query_row(params![sink, log, kind, first, skip, upto], |row| row.get(0))?;
        if first != last || !is_open {
            return Err(OutboxError::NotDead { span });
        }
    }
    let values = params![sink, log, kind, first, skip, last, upto, why];
    let same = tx.prepare_cached(sql!("errand_same"))?.query_row(values, |row| row.get(0)).optional()?;
    let key = if let Some(key) = same {
        key
    } else {
        let values = params![sink, log, kind, first, skip, last, upto, why, now];
        tx.prepare_cached(sql!("errand_insert"))?.query_row(values, |row| row.get(0))?
    };
    waiting(tx, key)
}

fn find(tx: &Transaction<'_>, key: ErrandKey) -> Result<Option<Errand>, OutboxError> {
    Ok(tx.prepare_cached(sql!("errand_get"))?.query_row([key], read).optional()?)
}

/// An errand that has not ended.
pub(super) fn waiting(tx: &Transaction<'_>, key: ErrandKey) -> Result<Errand, OutboxError> {
    let found = find(tx, key)?.filter(|errand| errand.state == ErrandState::Waiting);
    found.ok_or(OutboxError::NoErrand(key))
}

/// Notes that an errand is done up to a place, and ends it if that is its end.
pub(super) fn move_on(
    tx: &Transaction<'_>,
    errand: &Errand,
    to: Position,
    now: UtcMicros,
) -> Result<(), OutboxError> {
    if to < errand.span.end() {
        tx.prepare_cached(sql!("errand_move"))?.execute(params![errand.key, to.seq, to.sample])?;
        return Ok(());
    }
    let died = tx.prepare_cached(sql!("batch_errand_died"))?.query_row([errand.key], |row| row.get(0))?;
    let end = if died { ErrandState::GivenUp } else { ErrandState::Done };
    finish(tx, errand.key, end, now)
}

pub(super) fn finish(
    tx: &Transaction<'_>,
    key: ErrandKey,
    end: ErrandState,
    now: UtcMicros,
) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("errand_end"))?.execute(params![key, end, now])?;
    Ok(())
}

/// Samples in a part of an errand.
pub(super) fn samples_of(tx: &Transaction<'_>, key: ErrandKey, span: Span) -> Result<u32, OutboxError> {
    let errand = waiting(tx, key)?;
    if span.start() < errand.span.start() || span.end() > errand.span.end() {
        return Err(OutboxError::BadRange { first: span.first, last: span.last });
    }
    let pieces = pieces(tx, &errand.sink, errand.log, errand.kind, span)?;
    let samples = |piece: &Piece| span.within(piece.seq, piece.samples).len();
    Ok(pieces.iter().map(samples).sum::<usize>() as u32)
}

/// The blocks of a span. Where one is gone, a dead letter may have kept it.
pub(super) fn pieces(
    tx: &Transaction<'_>,
    sink: &SinkName,
    log: LogKey,
    kind: Kind,
    span: Span,
) -> Result<Vec<Piece>, OutboxError> {
    let Span { first, last, .. } = span;
    let stream: Stream = stream_of(kind);
    let mut stored = tx.prepare_cached(sql!("block_range"))?;
    let stored = stored.query_map(params![log, stream, first, last, u32::MAX], |row| {
        let received = UtcMicros(row.get::<_, i64>(5)? * 1_000_000);
        let body = row.get::<_, Vec<u8>>(6)?.into();
        Ok(Piece { seq: row.get(0)?, samples: row.get(4)?, received, body })
    })?;
    let mut pieces = stored.collect::<Result<Vec<_>, _>>()?;
    let mut kept = tx.prepare_cached(sql!("dead_bodies"))?;
    let kept = kept.query_map(params![sink, log, kind, first, last], |row| {
        Ok((row.get(0)?, Bytes::from(row.get::<_, Vec<u8>>(1)?), row.get(2)?))
    })?;
    for row in kept {
        let (seq, body, received) = row?;
        if pieces.iter().any(|piece| piece.seq == seq) {
            continue;
        }
        if let Ok(block) = RawBlock::parse(body.clone()) {
            pieces.push(Piece { seq, samples: block.header().n, received, body });
        }
    }
    pieces.sort_by_key(|piece| piece.seq);
    Ok(pieces)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Errand> {
    Ok(Errand {
        key: row.get("id")?,
        sink: row.get("sink")?,
        log: row.get("log")?,
        device: row.get("device_id")?,
        synthetic: row.get("synthetic")?,
        kind: row.get("kind")?,
        span: Span::of_row(row)?,
        why: row.get("why")?,
        state: row.get("state")?,
        asked: row.get("asked_us")?,
        ended: row.get("ended_us")?,
    })
}
