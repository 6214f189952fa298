//! From a watch's ticks to UTC.
//!
//! A watch stamps with ticks since boot, never with wall time. The host writes down *anchors* (this tick was that instant) at
//! each sync, and UTC follows by straight lines between them, so a crystal that is 50 ppm off costs nothing once there are
//! two. A boot without any anchor has no UTC: its readings wait, visibly, instead of being dated by guess.
//!
//! What is dated stays dated: an anchor that comes later never moves a tick that had a date before. A second of data may be in
//! the cloud already, and if what follows it were dated by another line, the two would overlap there. So a tick after the last
//! anchor of a boot that still runs has no date yet, and one before the first keeps the rate of an exact clock.

use super::UtcMicros;

/// Beyond this the clock of a watch does not drift: crystals are good to ±100 ppm. A pair of anchors that says otherwise
/// shows that the host's clock was stepped between them.
const MAX_DRIFT_PPM: f64 = 1_000.0;
/// Anchors closer than this say more about the round trip of a read than about drift.
const MIN_SPAN_US: u64 = 3_600_000_000;

/// One comparison of a watch's clock with UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorPoint {
    /// The boot whose ticks these are.
    pub boot: u16,
    /// µs since that boot.
    pub ticks_us: u64,
    /// The same instant.
    pub utc: UtcMicros,
}

/// All that is known about a watch's clock.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Sorted by boot, then ticks.
    anchors: Vec<AnchorPoint>,
    /// No anchor will ever be added.
    ended: bool,
}

/// Why a tick has no date that can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undated {
    /// The next session will tell.
    NotYet,
    /// The boot is over and was never compared with UTC.
    Never,
    /// There is a date, but it cannot be right.
    Implausible {
        /// The date.
        said: UtcMicros,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// No watch that speaks to us is older (2015-01-01).
const EARLIEST: UtcMicros = UtcMicros(1_420_070_400_000_000);
/// How far the clock of the host may have been behind when it received something, µs.
const AHEAD_US: i64 = 86_400_000_000;

impl Timeline {
    /// UTC of a tick that was received at an instant, if it can be believed.
    pub fn date(&self, boot: u16, ticks_us: u64, received: UtcMicros) -> Result<UtcMicros, Undated> {
        let Some(said) = self.utc(boot, ticks_us) else {
            let is_over = self.ended || self.anchors.last().is_some_and(|newest| newest.boot > boot);
            return Err(if is_over { Undated::Never } else { Undated::NotYet });
        };
        if said < EARLIEST {
            return Err(Undated::Implausible { said, why: "no watch is that old" });
        }
        if said.since(received) > AHEAD_US {
            return Err(Undated::Implausible { said, why: "it was received before" });
        }
        Ok(said)
    }

    /// From anchors in any order.
    pub fn new(mut anchors: Vec<AnchorPoint>) -> Self {
        anchors.sort_by_key(|anchor| (anchor.boot, anchor.ticks_us));
        anchors.dedup_by_key(|anchor| (anchor.boot, anchor.ticks_us));
        Self { anchors, ended: false }
    }

    /// The timeline of a log that the watch has ended: no anchor will ever be added.
    #[must_use]
    pub fn ended(self) -> Self {
        Self { ended: true, ..self }
    }

    /// UTC of a tick. `None` for a boot that was never anchored, and after the last anchor of one that may still be.
    pub fn utc(&self, boot: u16, ticks_us: u64) -> Option<UtcMicros> {
        let start = self.anchors.partition_point(|anchor| anchor.boot < boot);
        let end = self.anchors.partition_point(|anchor| anchor.boot <= boot);
        let anchors = &self.anchors[start..end];
        let later = anchors.partition_point(|anchor| anchor.ticks_us < ticks_us);
        let utc = match (later.checked_sub(1).map(|at| anchors[at]), anchors.get(later).copied()) {
            (None, None) => return None,
            (Some(before), Some(after)) => between(before, after, ticks_us),
            // The rate that a later pair shows would be nearer the truth, but would move what may have been sent.
            (None, Some(first)) => at_rate(first, ticks_us, 1.0),
            (Some(_), None) if !self.ended && end == self.anchors.len() => return None,
            (Some(last), None) => beyond(last, later.checked_sub(2).map(|at| anchors[at]), ticks_us),
        };
        Some(utc)
    }
}

/// Watch µs to UTC µs between two anchors; `None` if they are too close or contradict each other.
fn rate(a: AnchorPoint, b: AnchorPoint, min_span_us: u64) -> Option<f64> {
    let span = b.ticks_us.abs_diff(a.ticks_us);
    if span < min_span_us.max(1) {
        return None;
    }
    let utc = (b.utc.0 - a.utc.0).abs();
    let rate = utc as f64 / span as f64;
    let forward = (b.ticks_us > a.ticks_us) == (b.utc > a.utc);
    (forward && (rate - 1.0).abs() * 1e6 <= MAX_DRIFT_PPM).then_some(rate)
}

fn at_rate(anchor: AnchorPoint, ticks_us: u64, rate: f64) -> UtcMicros {
    let away = i128::from(ticks_us) - i128::from(anchor.ticks_us);
    // The rate is so near 1 that only the small difference goes through floating point.
    let drift = (away as f64 * (rate - 1.0)).round() as i64;
    let away = i64::try_from(away).unwrap_or(i64::MAX);
    UtcMicros(anchor.utc.0.saturating_add(away).saturating_add(drift))
}

fn between(before: AnchorPoint, after: AnchorPoint, ticks_us: u64) -> UtcMicros {
    // If the host's clock was stepped in between, the anchor of the session that brought the data is the better witness.
    at_rate(after, ticks_us, rate(before, after, 1).unwrap_or(1.0))
}

fn beyond(nearest: AnchorPoint, second: Option<AnchorPoint>, ticks_us: u64) -> UtcMicros {
    at_rate(nearest, ticks_us, second.and_then(|second| rate(nearest, second, MIN_SPAN_US)).unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOOT: i64 = 1_700_000_000_000_000;
    const HOUR: u64 = 3_600_000_000;

    /// An anchor of a watch whose clock is `ppm` fast, made exactly `ticks_us` after boot by its own clock.
    fn anchor(ticks_us: u64, ppm: f64) -> AnchorPoint {
        AnchorPoint {
            boot: 3,
            ticks_us,
            utc: UtcMicros(BOOT + (ticks_us as f64 / (1.0 + ppm * 1e-6)).round() as i64),
        }
    }

    #[test]
    fn drift_is_taken_out_between_two_anchors_and_after_a_boot_that_is_over() {
        let next_boot = AnchorPoint { boot: 4, ticks_us: 0, utc: UtcMicros(BOOT * 2) };
        let timeline = Timeline::new(vec![anchor(30 * HOUR, 50.0), anchor(6 * HOUR, 50.0), next_boot]);
        for hour in [6, 7, 18, 30, 31] {
            let truth = anchor(hour * HOUR, 50.0).utc;
            let off = timeline.utc(3, hour * HOUR).unwrap().since(truth);
            assert!(off.abs() <= 2, "{off} µs off after {hour} h");
        }
    }

    #[test]
    fn one_anchor_dates_what_is_before_it_and_none_dates_nothing() {
        let timeline = Timeline::new(vec![anchor(HOUR, 0.0)]);
        assert_eq!(timeline.utc(3, 0), Some(UtcMicros(BOOT)));
        assert_eq!(timeline.utc(3, HOUR), Some(anchor(HOUR, 0.0).utc));
        assert_eq!(timeline.utc(3, HOUR + 1), None);
        assert_eq!(timeline.utc(2, 0), None);
        assert_eq!(Timeline::default().utc(0, 0), None);
        assert_eq!(timeline.ended().utc(3, HOUR + 1), Some(UtcMicros(BOOT + HOUR as i64 + 1)));
    }

    #[test]
    fn a_stepped_host_clock_is_not_taken_for_drift() {
        let mut late = anchor(10 * HOUR, 0.0);
        late.utc.0 += 3_600_000_000;
        let timeline = Timeline::new(vec![anchor(HOUR, 0.0), late]);
        assert_eq!(timeline.utc(3, 9 * HOUR), Some(UtcMicros(late.utc.0 - HOUR as i64)));
    }

    proptest! {
        #[test]
        fn time_runs_forward_and_what_is_dated_stays_dated(
            ticks in proptest::collection::btree_set(0_u64..2_000_000_000_000, 2..40), ppm in -80.0_f64..80.0,
        ) {
            let ticks: Vec<u64> = ticks.into_iter().collect();
            let anchors: Vec<AnchorPoint> = ticks.iter().step_by(3).map(|&at| anchor(at, ppm)).collect();
            let mut dated: Vec<Option<UtcMicros>> = vec![None; ticks.len()];
            for known in 1..=anchors.len() {
                let timeline = Timeline::new(anchors[..known].to_vec());
                for (before, &at) in dated.iter_mut().zip(&ticks) {
                    let now = timeline.utc(3, at);
                    prop_assert!(before.is_none() || *before == now, "{at} moved from {before:?} to {now:?}");
                    *before = now;
                }
                let utc: Vec<UtcMicros> = dated.iter().copied().flatten().collect();
                prop_assert!(utc.is_sorted(), "{utc:?}");
            }
        }
    }
}
