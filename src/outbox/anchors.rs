//! Anchors: which UTC instant a reading of a watch's clock was. Never changed once written, so that a batch built up to a
//! given anchor can be built again; one that turns out to be wrong is voided by a later one (see [`super::choosing`]).

use rusqlite::{Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{AnchorKey, LogKey, Outbox, OutboxError};
use crate::clock::Trust;
use crate::measurement::{AnchorPoint, UtcMicros};
use crate::wire::bridge::Boot;

/// A point where the watch's clock and UTC are both known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Which run of the watch's clock.
    pub boot: Boot,
    /// The watch's clock, microseconds since that boot.
    pub ticks_us: u64,
    /// The same instant in UTC.
    pub utc: UtcMicros,
    /// How far off it may be, either way.
    pub uncertainty_us: u32,
    /// Who says so.
    pub source: AnchorSource,
}

/// Whose word an anchor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorSource {
    /// We read the watch's clock.
    Host,
    /// We did, by a clock of ours that nobody vouched for.
    Unvouched,
    /// The same, moved by as much as our clock turned out to be wrong.
    Corrected,
    /// The watch wrote it down when its clock was set.
    Watch,
}

impl AnchorSource {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::Host, Self::Unvouched, Self::Corrected, Self::Watch];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Unvouched => "unvouched",
            Self::Corrected => "corrected",
            Self::Watch => "watch",
        }
    }

    /// What an anchor is that is made now, by a clock that is trusted so far.
    pub const fn of_host(trust: Trust) -> Self {
        match trust {
            Trust::Synchronised => Self::Host,
            _ => Self::Unvouched,
        }
    }

    /// Of two that contradict each other, the one with more weight is right.
    pub(super) const fn weight(self) -> u8 {
        match self {
            Self::Host => 3,
            Self::Unvouched | Self::Corrected => 2,
            Self::Watch => 1,
        }
    }
}

impl Anchor {
    /// The same, as a point of a timeline.
    pub const fn point(&self) -> AnchorPoint {
        AnchorPoint { boot: self.boot.0, ticks_us: self.ticks_us, utc: self.utc }
    }
}

impl Outbox {
    /// Adds an anchor, whatever the others say. A second one for the same reading of the clock changes nothing.
    pub async fn add_anchor(&self, log: LogKey, anchor: Anchor) -> Result<AnchorKey, OutboxError> {
        self.write(move |tx| {
            insert(tx, log, anchor, None)?;
            let mut key = tx.prepare_cached(sql!("anchor_key"))?;
            Ok(key.query_row(params![log, anchor.boot, anchor.ticks_us.cast_signed()], |row| row.get(0))?)
        })
        .await
    }

    /// A log's anchors up to and including `horizon` (all of them, if `None`), in the order they were added.
    pub async fn anchors(
        &self,
        log: LogKey,
        horizon: Option<AnchorKey>,
    ) -> Result<Vec<(AnchorKey, Anchor)>, OutboxError> {
        let horizon = horizon.unwrap_or(AnchorKey(i64::MAX));
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("anchor_list"))?;
            Ok(list.query_map(params![log, horizon], anchor)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The same without those that say nothing about this tick of this boot or any later one. A log that the host keeps has an anchor
    /// with every commit, thousands a day.
    pub async fn anchors_from(
        &self,
        log: LogKey,
        horizon: Option<AnchorKey>,
        (boot, ticks_us): (Boot, u64),
    ) -> Result<Vec<(AnchorKey, Anchor)>, OutboxError> {
        let horizon = horizon.unwrap_or(AnchorKey(i64::MAX));
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("anchor_list_from"))?;
            let from = params![log, horizon, boot, ticks_us.cast_signed()];
            Ok(list.query_map(from, anchor)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Adds an anchor as part of a transaction; those of its boot from `voids_from` on count no more.
pub(super) fn insert(
    tx: &Transaction<'_>,
    log: LogKey,
    anchor: Anchor,
    voids_from: Option<AnchorKey>,
) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("anchor_insert"))?.execute(params![
        log,
        anchor.boot,
        anchor.ticks_us.cast_signed(),
        anchor.utc,
        anchor.uncertainty_us,
        anchor.source,
        voids_from
    ])?;
    Ok(())
}

pub(super) fn anchor(row: &Row<'_>) -> rusqlite::Result<(AnchorKey, Anchor)> {
    let anchor = Anchor {
        boot: row.get(1)?,
        ticks_us: row.get::<_, i64>(2)?.cast_unsigned(),
        utc: row.get(3)?,
        uncertainty_us: row.get(4)?,
        source: row.get(5)?,
    };
    Ok((row.get(0)?, anchor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::clock::Clock;
    use crate::measurement::Timeline;
    use crate::wire::bridge::{DeviceId, LogId, Seq};

    fn timeline(anchors: &[(AnchorKey, Anchor)]) -> Timeline {
        Timeline::new(anchors.iter().map(|(_, anchor)| anchor.point()).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// What is left out would not have changed a date.
        #[test]
        fn a_part_of_the_anchors_dates_as_all_of_them(
            anchors in proptest::collection::vec((1_u16..4, 0_u64..50, -2_i64..3), 0..20),
            (boot, from) in (1_u16..4, 0_u64..50), horizon in proptest::option::of(1_i64..20),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (all, part) = runtime.block_on(async {
                let dir = TempDir::new().unwrap();
                let outbox = Outbox::open(dir.path(), Clock::System).await.unwrap();
                let log = outbox.watch_log(DeviceId([1; 16]), LogId(1), false, Seq(0)).await.unwrap().key;
                for (boot, hours, off) in anchors {
                    let ticks_us = hours * 3_600_000_000;
                    let utc = UtcMicros(ticks_us.cast_signed() + i64::from(boot) * 400_000_000_000 + off * 100_000_000 + 1_700_000_000_000_000);
                    let (boot, source) = (Boot(boot), AnchorSource::Host);
                    let anchor = Anchor { boot, ticks_us, utc, uncertainty_us: 1, source };
                    outbox.add_anchor(log, anchor).await.unwrap();
                }
                let horizon = horizon.map(AnchorKey);
                let from = (Boot(boot), from * 3_600_000_000 + 1);
                (outbox.anchors(log, horizon).await.unwrap(), outbox.anchors_from(log, horizon, from).await.unwrap())
            });
            let (all, part) = (timeline(&all), timeline(&part));
            for tick in (from..60).map(|hours| hours * 3_600_000_000 + 1) {
                let date = |timeline: &Timeline| timeline.date(boot, tick, UtcMicros(0));
                prop_assert_eq!(date(&all), date(&part));
                prop_assert_eq!(date(&all.clone().ended()), date(&part.clone().ended()));
            }
        }
    }
}
