//! Noticing that this computer's clock was set, and putting right what was written down by it before.
//!
//! A second clock runs beside it that nobody can set. What the two are apart is remembered from one look to the next, in memory: a
//! process that starts anew looks at a clock that was set before, or notices the next time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};

use super::anchors::{self, Anchor, AnchorSource};
use super::choosing::{last_of, was_used};
use super::{AnchorKey, LogKey, Outbox, OutboxError};
use crate::clock::{Clock, Trust};
use crate::measurement::UtcMicros;
use crate::wire::bridge::{Boot, Seq};

/// A clock that is slewed moves by a thousandth at most, and is looked at every minute; what moves more was set.
const STEP_US: i64 = 1_000_000;
/// From here on, when blocks were received is put right as well: a reading must not seem to come from the future.
const WORTH_RESTAMPING_US: i64 = 3_600_000_000;

/// This computer's clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStep {
    /// When, by the clock as it is now.
    pub at: UtcMicros,
    /// By how much, µs; forward is positive.
    pub by_us: i64,
    /// Boots of watches whose anchors were corrected by as much.
    pub corrected: u32,
    /// Boots of watches with something sent by the old clock: that stays as it was dated, off by so much.
    pub left: u32,
}

/// What is remembered of the clock.
#[derive(Debug, Default)]
pub(super) struct ClockMemory {
    look: Mutex<Option<Look>>,
    step: Mutex<Option<ClockStep>>,
}

/// The last look at the clock.
#[derive(Clone, Debug)]
struct Look {
    steady_us: i64,
    offset_us: i64,
    /// By how much it was set since it could last be believed: what was dated then is only moved to a time that can be, too.
    owed_us: i64,
    /// Where things stood when the clock was last vouched for; `None`: it was at the last look.
    vouched: Option<Standing>,
}

/// What comes after this was dated by a clock that nobody vouches for.
#[derive(Clone, Debug)]
struct Standing {
    anchor: AnchorKey,
    ends: Vec<(LogKey, Seq)>,
}

impl Outbox {
    /// Looks at the clock. If it was set since the last look, anchors that were made by it and that nobody vouched for are corrected,
    /// unless something was sent by them.
    pub async fn notice_clock(&self) -> Result<Option<ClockStep>, OutboxError> {
        let (memory, clock) = (Arc::clone(&self.house.clock_memory), self.house.clock);
        let now = Now::of(clock);
        if memory.passes(now) {
            return Ok(None);
        }
        let known = memory.lock().clone();
        let step = match self.write(move |tx| notice(tx, &memory, now)).await {
            Ok(step) => step,
            Err(error) => {
                // Nothing was corrected: the next look has to find it all again.
                *self.house.clock_memory.lock() = known;
                return Err(error);
            }
        };
        if let Some(ClockStep { by_us, corrected, left, .. }) = step {
            *self.house.clock_memory.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
            tracing::warn!(
                by_seconds = by_us / 1_000_000,
                corrected,
                left,
                "This computer's clock was set; what it had dated and nobody had is \
                 dated anew, what was sent stays."
            );
        }
        Ok(step)
    }

    /// The last time that somebody was seen to have set the clock.
    pub fn last_clock_step(&self) -> Option<ClockStep> {
        *self.house.clock_memory.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock at a moment.
#[derive(Clone, Copy)]
struct Now {
    at: UtcMicros,
    steady_us: i64,
    trust: Trust,
}

impl Now {
    fn of(clock: Clock) -> Self {
        Self { steady_us: clock.steady_us(), at: clock.now(), trust: clock.trust() }
    }

    const fn offset_us(self) -> i64 {
        self.at.0.saturating_sub(self.steady_us)
    }

    /// Whether what was dated before is to be moved by as much now.
    const fn is_owed(self, by_us: i64) -> bool {
        self.trust.is_believed() && by_us.unsigned_abs() > STEP_US.unsigned_abs()
    }
}

impl Look {
    /// By how much the clock was set since.
    fn step(&self, now: Now) -> Option<i64> {
        let by_us = now.offset_us().saturating_sub(self.offset_us);
        (by_us.abs() > STEP_US).then_some(by_us)
    }
}

fn notice(tx: &Transaction<'_>, memory: &ClockMemory, now: Now) -> Result<Option<ClockStep>, OutboxError> {
    let mut known = memory.lock();
    // Somebody may have looked after us and been faster.
    if known.as_ref().is_some_and(|look| now.steady_us < look.steady_us) {
        return Ok(None);
    }
    let (mut step, mut owed_us) = (None, 0);
    if let Some(look) = known.as_ref() {
        let by_us = look.step(now).unwrap_or(0);
        owed_us = look.owed_us.saturating_add(by_us);
        if by_us != 0 || now.is_owed(owed_us) {
            step = Some(ClockStep { at: now.at, by_us, corrected: 0, left: 0 });
        }
        if let (Some(step), Some(vouched)) = (&mut step, &look.vouched) {
            if by_us.abs() >= WORTH_RESTAMPING_US {
                restamp(tx, &vouched.ends, by_us)?;
            }
            if now.is_owed(owed_us) {
                (step.corrected, step.left) = correct(tx, vouched, owed_us)?;
            }
        }
        if now.trust.is_believed() {
            owed_us = 0;
        }
    }
    let vouched = match known.take().and_then(|look| look.vouched) {
        _ if now.trust == Trust::Synchronised => None,
        Some(standing) => Some(standing),
        None => Some(standing(tx)?),
    };
    *known = Some(Look { steady_us: now.steady_us, offset_us: now.offset_us(), owed_us, vouched });
    Ok(step)
}

/// Puts right the anchors that were made by a clock that was off by `by_us`: how many boots were corrected, and how many left.
fn correct(tx: &Transaction<'_>, vouched: &Standing, by_us: i64) -> Result<(u32, u32), OutboxError> {
    let (mut corrected, mut left) = (0, 0);
    let mut boots = tx.prepare_cached(sql!("anchor_unvouched"))?;
    let boots = boots.query_map([vouched.anchor], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (log, boot, first) in boots.collect::<Result<Vec<(LogKey, Boot, AnchorKey)>, _>>()? {
        let Some((_, last)) = last_of(tx, log, boot, i64::MAX.cast_unsigned())? else { continue };
        if last.source == AnchorSource::Host {
            continue;
        }
        if was_used(tx, log, first, &last)? {
            left += 1;
            continue;
        }
        // One tick later: a reading of the clock has one anchor.
        let utc = UtcMicros(last.utc.0.saturating_add(by_us).saturating_add(1));
        let anchor = Anchor {
            ticks_us: last.ticks_us.saturating_add(1),
            utc,
            source: AnchorSource::Corrected,
            ..last
        };
        anchors::insert(tx, log, anchor, Some(first))?;
        corrected += 1;
    }
    Ok((corrected, left))
}

/// Moves the times at which blocks were received.
fn restamp(tx: &Transaction<'_>, vouched: &[(LogKey, Seq)], by_us: i64) -> Result<(), OutboxError> {
    let mut later = tx.prepare_cached(sql!("block_received_later"))?;
    for (log, _) in ends(tx)? {
        let end = vouched.iter().find(|(known, _)| *known == log).map_or(Seq(0), |(_, end)| *end);
        later.execute(params![log, end, by_us / 1_000_000])?;
    }
    Ok(())
}

fn standing(tx: &Transaction<'_>) -> Result<Standing, OutboxError> {
    let anchor = tx.prepare_cached(sql!("anchor_last"))?.query_row([], |row| row.get(0))?;
    Ok(Standing { anchor, ends: ends(tx)? })
}

fn ends(tx: &Transaction<'_>) -> Result<Vec<(LogKey, Seq)>, OutboxError> {
    let mut logs = tx.prepare_cached(sql!("log_cursors"))?;
    Ok(logs.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

impl ClockMemory {
    /// Remembers a look that says nothing new. `false` if the database has to be asked.
    fn passes(&self, now: Now) -> bool {
        let mut known = self.lock();
        let vouched = now.trust == Trust::Synchronised;
        match &mut *known {
            Some(look) if now.steady_us < look.steady_us => true,
            Some(look) if now.is_owed(look.owed_us) => false,
            Some(look) if look.step(now).is_none() && (vouched || look.vouched.is_some()) => {
                (look.steady_us, look.offset_us) = (now.steady_us, now.offset_us());
                look.vouched.take_if(|_| vouched);
                true
            }
            None if vouched => {
                *known = Some(Look {
                    steady_us: now.steady_us,
                    offset_us: now.offset_us(),
                    owed_us: 0,
                    vouched: None,
                });
                true
            }
            _ => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Look>> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
