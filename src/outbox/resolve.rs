//! What a person has done with dead letters, and what they ask to be sent once more.

use std::fmt;

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{
    EntryId, ErrandWhy, LogKey, NewErrand, Outbox, OutboxError, Resolution, SinkName, Span, batches, errands,
};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::bridge::Seq;

/// Dead letters that are asked to be sent again in one transaction.
const AT_ONCE: u32 = 1_000;

/// Why a dead letter is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unresolved {
    /// There is none of this name.
    Unknown,
    /// Somebody decided before.
    Resolved(Resolution),
    /// Nobody ever could read it, so there is nothing to send.
    Unreadable,
    /// It is on its way again.
    Asked,
    /// It is something else.
    NotDead,
}

/// What became of a wish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Those that it is done with.
    pub done: Vec<EntryId>,
    /// Those that were left as they are, and why.
    pub left: Vec<(EntryId, Unresolved)>,
}

/// A range of blocks to be sent once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The log.
    pub log: LogKey,
    /// What it is sent as.
    pub kind: Kind,
    /// The first block.
    pub first: Seq,
    /// The last block.
    pub last: Seq,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such dead letter"),
            Self::Resolved(resolution) => write!(f, "it was {resolution} before"),
            Self::Unreadable => f.write_str("it could not be read when it came, so there is nothing to send"),
            Self::Asked => f.write_str("it is to be sent again already"),
            Self::NotDead => f.write_str("it is no dead letter"),
        }
    }
}

impl Outbox {
    /// Asks for dead letters to be sent again.
    pub async fn retry_dead(&self, ids: Vec<EntryId>) -> Result<Resolved, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| each(ids, |number| retry(tx, number, now))).await
    }

    /// Asks for every dead letter to be sent again that a receiver refused and that nobody has decided on.
    pub async fn retry_all_dead(&self) -> Result<Resolved, OutboxError> {
        let now = self.house.clock.now();
        let (mut all, mut after) = (Resolved::default(), 0_i64);
        loop {
            let some = self.write(move |tx| {
                let mut open = tx.prepare_cached(sql!("dead_open"))?;
                let numbers = open.query_map(params![AT_ONCE, after], |row| row.get(0))?;
                let numbers: Vec<i64> = numbers.collect::<Result<_, _>>()?;
                let ids = numbers.iter().copied().map(EntryId::Dead).collect();
                Ok((numbers.last().copied(), each(ids, |number| retry(tx, number, now))?))
            });
            let (last, Resolved { done, left }) = some.await?;
            all.done.extend(done);
            all.left.extend(left);
            match last {
                Some(last) => after = last,
                None => return Ok(all),
            }
        }
    }

    /// Leaves dead letters at that. What they hold is kept.
    pub async fn drop_dead(&self, ids: Vec<EntryId>) -> Result<Resolved, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            each(ids, |number| match found(tx, number)? {
                Err(left) => Ok(Err(left)),
                Ok(_) => resolve(tx, number, Resolution::Dropped, now).map(Ok),
            })
        })
        .await
    }

    /// Asks for ranges to be sent once more, because the receiver has lost them.
    pub async fn ask_repairs(&self, sink: &SinkName, repairs: Vec<Repair>) -> Result<(), OutboxError> {
        let (now, sink) = (self.house.clock.now(), sink.clone());
        self.write(move |tx| {
            for Repair { log, kind, first, last } in repairs {
                // What has not been sent yet is not lost there.
                let (last, upto) = match batches::next_unsent(tx, &sink, log, kind)? {
                    Some(next) if next.seq <= last && next.sample > 0 => (next.seq, Some(next.sample)),
                    Some(next) if next.seq <= last => (Seq(next.seq.0.saturating_sub(1)), None),
                    _ => (last, None),
                };
                if last >= first {
                    let (sink, span) = (sink.clone(), Span { first, skip: 0, last, upto });
                    errands::ask(tx, &NewErrand { sink, log, kind, span, why: ErrandWhy::Repair }, now)?;
                }
            }
            Ok(())
        })
        .await
    }
}

fn each(
    ids: Vec<EntryId>,
    mut wish: impl FnMut(i64) -> Result<Result<(), Unresolved>, OutboxError>,
) -> Result<Resolved, OutboxError> {
    let mut all = Resolved::default();
    for id in ids {
        let came_to = match id {
            EntryId::Dead(number) => wish(number)?,
            _ => Err(Unresolved::NotDead),
        };
        match came_to {
            Ok(()) => all.done.push(id),
            Err(why) => all.left.push((id, why)),
        }
    }
    Ok(all)
}

/// A dead letter that nobody has decided on.
struct Open {
    place: Option<(SinkName, Kind)>,
    log: LogKey,
    seq: Seq,
    skip: u16,
    upto: Option<u16>,
}

fn found(tx: &Transaction<'_>, number: i64) -> Result<Result<Open, Unresolved>, OutboxError> {
    let mut find = tx.prepare_cached(sql!("dead_for_retry"))?;
    let found = find.query_row([number], |row| {
        let (sink, kind): (Option<SinkName>, Option<Kind>) = (row.get("sink")?, row.get("kind")?);
        let open = Open {
            place: sink.zip(kind),
            log: row.get("log")?,
            seq: row.get("seq")?,
            skip: row.get("skip")?,
            upto: row.get("upto")?,
        };
        let is_asked: bool = row.get("is_asked")?;
        let decided: Option<Resolution> = row.get("resolution")?;
        Ok((decided.map(Unresolved::Resolved).or(is_asked.then_some(Unresolved::Asked)), open))
    });
    Ok(match found.optional()? {
        None => Err(Unresolved::Unknown),
        Some((Some(why), _)) => Err(why),
        Some((None, open)) => Ok(open),
    })
}

fn retry(tx: &Transaction<'_>, number: i64, now: UtcMicros) -> Result<Result<(), Unresolved>, OutboxError> {
    let open = match found(tx, number)? {
        Ok(open) => open,
        Err(why) => return Ok(Err(why)),
    };
    let Some((sink, kind)) = open.place else { return Ok(Err(Unresolved::Unreadable)) };
    let Open { log, seq, skip, upto, .. } = open;
    let span = Span { first: seq, skip, last: seq, upto };
    // It counts as dead until it has arrived.
    match errands::ask(tx, &NewErrand { sink, log, kind, span, why: ErrandWhy::Retry }, now) {
        Ok(_) => Ok(Ok(())),
        Err(OutboxError::NotDead { .. }) => Ok(Err(Unresolved::NotDead)),
        Err(error) => Err(error),
    }
}

fn resolve(
    tx: &Transaction<'_>,
    number: i64,
    resolution: Resolution,
    now: UtcMicros,
) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("dead_resolve"))?.execute(params![number, resolution, now])?;
    Ok(())
}
