//! Which anchors count: of two that contradict each other the more certain one, and what the watch says of itself only if it can be.
//!
//! The choice is made when an anchor comes, and written down with it: an anchor that voids others does so for whatever is built after
//! it, so that a batch written down before is rebuilt as it was. What was sent stays as it was dated, so an anchor by which something
//! was sent is never voided.

use rusqlite::{OptionalExtension, Transaction, params};

use super::anchors::{self, Anchor, AnchorSource};
use super::{AnchorKey, LogKey, Outbox, OutboxError};
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::wire::bridge::Boot;

/// Nobody has set the clock of a watch of ours before 2020.
const EARLIEST: UtcMicros = UtcMicros(1_577_836_800_000_000);
/// How far a watch may be ahead of us.
const DAY_US: i64 = 86_400_000_000;
/// What two boots may overlap by, because the clocks that set them differed.
const SLACK_US: i64 = 60_000_000;

/// What became of an anchor that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It counts.
    Added,
    /// It counts, and those before it that it contradicts do not any more.
    Voids {
        /// How far these were off, µs.
        off_us: i64,
    },
    /// It counts, and contradicts those before it, which were used or are as certain.
    Contradicts {
        /// How far it is ahead of them, µs.
        off_us: i64,
    },
    /// It does not count: it contradicts one that is more certain.
    Outweighed {
        /// How far it is ahead of that, µs.
        off_us: i64,
    },
    /// It does not count: what the watch says cannot be, or is not needed.
    Unfounded,
}

impl Outbox {
    /// Takes in an anchor, if it is to count.
    pub async fn choose_anchor(&self, log: LogKey, anchor: Anchor) -> Result<Chosen, OutboxError> {
        self.notice_clock().await?;
        let clock = self.house.clock;
        self.write(move |tx| choose(tx, log, anchor, clock)).await
    }
}

/// The same as part of a transaction.
pub(super) fn choose(
    tx: &Transaction<'_>,
    log: LogKey,
    anchor: Anchor,
    clock: Clock,
) -> Result<Chosen, OutboxError> {
    let last = last_of(tx, log, anchor.boot, anchor.ticks_us)?;
    if anchor.source == AnchorSource::Watch && !is_founded(tx, log, anchor, clock)? {
        return Ok(Chosen::Unfounded);
    }
    let contradicted = |earlier: &Anchor| earlier.point().contradicted_by(&anchor.point());
    let Some((last, off_us)) = last.and_then(|(_, last)| contradicted(&last).map(|off_us| (last, off_us)))
    else {
        anchors::insert(tx, log, anchor, None)?;
        return Ok(Chosen::Added);
    };
    let weight = anchor.source.weight();
    if weight < last.source.weight() {
        return Ok(Chosen::Outweighed { off_us });
    }
    let mut earlier = tx.prepare_cached(sql!("anchor_of_boot"))?;
    let earlier =
        earlier.query_map(params![log, anchor.boot, anchor.ticks_us.cast_signed()], anchors::anchor)?;
    let mut from = None;
    for row in earlier {
        let (key, earlier) = row?;
        if earlier.source.weight() >= weight || contradicted(&earlier).is_none() {
            break;
        }
        from = Some(key);
    }
    match from {
        Some(from) if !was_used(tx, log, from, &last)? => {
            anchors::insert(tx, log, anchor, Some(from))?;
            Ok(Chosen::Voids { off_us })
        }
        _ => {
            anchors::insert(tx, log, anchor, None)?;
            Ok(Chosen::Contradicts { off_us })
        }
    }
}

/// The last anchor of a boot that counts, before a tick.
pub(super) fn last_of(
    tx: &Transaction<'_>,
    log: LogKey,
    boot: Boot,
    ticks_us: u64,
) -> Result<Option<(AnchorKey, Anchor)>, OutboxError> {
    let mut last = tx.prepare_cached(sql!("anchor_of_boot"))?;
    Ok(last.query_row(params![log, boot, ticks_us.cast_signed()], anchors::anchor).optional()?)
}

/// Whether something was written down to be sent by the anchors of a boot from `first` to `last`.
pub(super) fn was_used(
    tx: &Transaction<'_>,
    log: LogKey,
    first: AnchorKey,
    last: &Anchor,
) -> Result<bool, OutboxError> {
    let params = params![log, last.boot, first, last.ticks_us.cast_signed()];
    Ok(tx.prepare_cached(sql!("anchor_was_used"))?.query_row(params, |row| row.get(0))?)
}

/// Whether the watch's own word is needed, and can be: not by the calendar, and between the boots before and after.
fn is_founded(tx: &Transaction<'_>, log: LogKey, anchor: Anchor, clock: Clock) -> Result<bool, OutboxError> {
    let Anchor { boot, ticks_us, utc, .. } = anchor;
    let last = last_of(tx, log, boot, i64::MAX.cast_unsigned())?;
    if last.is_some_and(|(_, last)| last.source != AnchorSource::Watch || last.ticks_us >= ticks_us) {
        return Ok(false);
    }
    let latest = if clock.is_set() { clock.now().0.saturating_add(DAY_US) } else { i64::MAX };
    if utc < EARLIEST || utc.0 > latest {
        tracing::warn!(%boot, %utc, "The watch's clock was set to a time that cannot be; this boot is not dated by it.");
        return Ok(false);
    }
    let neighbour = |statement: &str| {
        tx.prepare_cached(statement)?.query_row(params![log, boot], anchors::anchor).optional()
    };
    let booted =
        |anchor: &Anchor| anchor.utc.0.saturating_sub(i64::try_from(anchor.ticks_us).unwrap_or(i64::MAX));
    // A crystal may be off by a thousandth.
    let slack = |ticks_us: u64| SLACK_US + i64::try_from(ticks_us / 1_000).unwrap_or(i64::MAX / 2);
    let before = neighbour(sql!("anchor_before_boot"))?
        .is_none_or(|(_, before)| booted(&anchor).saturating_add(slack(ticks_us)) >= before.utc.0);
    let after = neighbour(sql!("anchor_after_boot"))?
        .is_none_or(|(_, after)| utc.0 <= booted(&after).saturating_add(slack(after.ticks_us)));
    if !before || !after {
        tracing::warn!(%boot, %utc, "The watch's clock was set to a time at which another boot ran; this boot is not dated by it.");
    }
    Ok(before && after)
}
