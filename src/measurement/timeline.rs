//! From a watch's ticks to UTC.
//!
//! A watch stamps with ticks since boot, never with wall time. The host writes down *anchors* (this tick was that instant) at
//! each sync, and UTC follows by straight lines between them, so a crystal that is 50 ppm off costs nothing once there are
//! two. A boot without any anchor has no UTC: its readings wait, visibly, instead of being dated by guess.
//!
//! What is dated stays dated: an anchor that comes later never moves a tick that had a date before. A second of data may be in
//! the cloud already, and if what follows it were dated by another line, the two would overlap there. So a tick after the last
//! anchor of a boot that still runs has no date yet, and one before the first keeps the rate of an exact clock.
//!
//! Two anchors that contradict each other (the host's clock was set between them) date nothing that lies between them until a
//! third says which of them is right.

use super::UtcMicros;

/// Beyond this the clock of a watch does not drift: crystals are good to ±100 ppm. A pair of anchors that says otherwise
/// shows that the host's clock was stepped between them.
const MAX_DRIFT_PPM: i64 = 1_000;
/// Anchors closer than this say more about the round trip of a read than about drift.
const MIN_SPAN_US: u64 = 3_600_000_000;
/// What two sound anchors may be apart for other reasons than drift: a slow answer of the watch, a host that is slewing its clock.
const SLACK_US: i64 = 2_000_000;
/// Nothing that nowbridge talks to was worn before 2020; a clock that was never set says 1970, 2000 or 2010.
const EARLIEST: UtcMicros = UtcMicros(1_577_836_800_000_000);
/// So much later than it was received a reading may be dated: the host's clock may have been set back in the meantime.
const GRACE_US: i64 = 86_400_000_000;

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

/// Why a tick has no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undated {
    /// The next anchor may tell.
    #[error("the watch's clock was not compared with UTC yet")]
    NotYet,
    /// Its boot is over, and nobody knows when it was.
    #[error("the watch's clock was never compared with UTC in that boot")]
    Never,
    /// There is a date, but it cannot be right.
    #[error("the date {said} cannot be right: {why}")]
    Implausible {
        /// The date.
        said: UtcMicros,
        /// What is wrong with it.
        why: Implausible,
    },
}

/// What is wrong with a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// It is before 2020.
    #[error("it is before 2020; the clock that it comes from was never set")]
    TooEarly,
    /// It is more than a day after the reading was received.
    #[error("it is more than a day after the reading was received")]
    InTheFuture,
    /// The comparisons before and after contradict each other by more than any drift, and no third tells which is right.
    #[error("the comparisons before and after it contradict each other")]
    Contradicted,
}

/// All that is known about a watch's clock.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Sorted by boot, then ticks.
    anchors: Vec<AnchorPoint>,
    /// No anchor will ever be added.
    ended: bool,
    /// What time it is, if that is known.
    as_of: Option<UtcMicros>,
}

impl AnchorPoint {
    /// By how much the other, of the same boot, is ahead of where this one puts it; `None` if it is not more than drift can be.
    pub fn contradicted_by(&self, other: &Self) -> Option<i64> {
        let ticks = i128::from(other.ticks_us) - i128::from(self.ticks_us);
        let utc = i128::from(other.utc.0) - i128::from(self.utc.0);
        let drift = ticks.abs() * i128::from(MAX_DRIFT_PPM) / 1_000_000;
        let off = utc - ticks;
        (off.abs() > drift + i128::from(SLACK_US))
            .then(|| i64::try_from(off).unwrap_or(if off < 0 { i64::MIN } else { i64::MAX }))
    }

    fn agrees(&self, other: &Self) -> bool {
        self.contradicted_by(other).is_none()
    }
}

impl Timeline {
    /// From anchors in any order.
    pub fn new(mut anchors: Vec<AnchorPoint>) -> Self {
        anchors.sort_by_key(|anchor| (anchor.boot, anchor.ticks_us));
        anchors.dedup_by_key(|anchor| (anchor.boot, anchor.ticks_us));
        Self { anchors, ended: false, as_of: None }
    }

    /// The timeline of a log that the watch has ended: no anchor will ever be added.
    #[must_use]
    pub fn ended(self) -> Self {
        Self { ended: true, ..self }
    }

    /// The same at a time that can be believed: what lies before it is not in the future, whenever it seems to have been received.
    #[must_use]
    pub fn as_of(self, now: Option<UtcMicros>) -> Self {
        Self { as_of: now, ..self }
    }

    /// The date of a tick, exact to drift, or why there is none. `received` is when its block was stored, by a clock that may have
    /// been wrong then: it is no bound where [`Self::as_of`] knows better.
    ///
    /// A date that was given is given again, whatever anchor comes. [`Undated::Never`] and [`Undated::Implausible`] may become dates,
    /// as the watch may still have an anchor of its own in the log.
    pub fn date(&self, boot: u16, ticks_us: u64, received: UtcMicros) -> Result<UtcMicros, Undated> {
        let said = self.place(boot, ticks_us)?;
        if said < EARLIEST {
            return Err(Undated::Implausible { said, why: Implausible::TooEarly });
        }
        let received = self.as_of.map_or(received, |now| now.max(received));
        if received >= EARLIEST && said.0 > received.0.saturating_add(GRACE_US) {
            return Err(Undated::Implausible { said, why: Implausible::InTheFuture });
        }
        Ok(said)
    }

    /// The same without asking whether that can be: `None` for a boot that was never anchored, after the last anchor of one that may
    /// still be, and where anchors contradict each other.
    pub fn utc(&self, boot: u16, ticks_us: u64) -> Option<UtcMicros> {
        self.place(boot, ticks_us).ok()
    }

    fn place(&self, boot: u16, ticks_us: u64) -> Result<UtcMicros, Undated> {
        let start = self.anchors.partition_point(|anchor| anchor.boot < boot);
        let end = self.anchors.partition_point(|anchor| anchor.boot <= boot);
        let runs = !self.ended && end == self.anchors.len();
        let anchors = &self.anchors[start..end];
        let later = anchors.partition_point(|anchor| anchor.ticks_us < ticks_us);
        match (later.checked_sub(1).map(|at| anchors[at]), anchors.get(later).copied()) {
            (None | Some(_), None) if runs => Err(Undated::NotYet),
            (None, None) => Err(Undated::Never),
            (Some(before), Some(after)) if before.agrees(&after) => Ok(between(before, after, ticks_us)),
            (Some(_), Some(_)) => arbitrate(anchors, later, ticks_us, runs),
            // The rate that a later pair shows would be nearer the truth, but would move what may have been sent.
            (None, Some(first)) => Ok(at_rate(first, ticks_us, 1.0)),
            (Some(last), None) => beyond(last, later.checked_sub(2).map(|at| anchors[at]), ticks_us),
        }
    }
}

/// A tick between two anchors that contradict each other, the second of which is `anchors[later]`. Only their neighbours are asked,
/// so that what they said stays.
fn arbitrate(anchors: &[AnchorPoint], later: usize, ticks_us: u64, runs: bool) -> Result<UtcMicros, Undated> {
    let (before, after) = (anchors[later - 1], anchors[later]);
    let (earlier, next) = (later.checked_sub(2).map(|at| anchors[at]), anchors.get(later + 1).copied());
    match (earlier, next) {
        // The first of the two was a slip.
        (Some(earlier), _) if earlier.agrees(&after) && !earlier.agrees(&before) => {
            Ok(between(earlier, after, ticks_us))
        }
        // The host's clock was set right: the session that brought the data is the better witness.
        (_, Some(next)) if after.agrees(&next) => Ok(at_rate(after, ticks_us, 1.0)),
        // The second was a slip.
        (_, Some(next)) if before.agrees(&next) => Ok(between(before, next, ticks_us)),
        (_, None) if runs => Err(Undated::NotYet),
        _ => {
            let said = at_rate(after, ticks_us, 1.0);
            Err(Undated::Implausible { said, why: Implausible::Contradicted })
        }
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
    (forward && (rate - 1.0).abs() * 1e6 <= MAX_DRIFT_PPM as f64).then_some(rate)
}

fn at_rate(anchor: AnchorPoint, ticks_us: u64, rate: f64) -> UtcMicros {
    let away = i128::from(ticks_us) - i128::from(anchor.ticks_us);
    // The rate is so near 1 that only the small difference goes through floating point.
    let drift = (away as f64 * (rate - 1.0)).round() as i64;
    let away = i64::try_from(away).unwrap_or(i64::MAX);
    UtcMicros(anchor.utc.0.saturating_add(away).saturating_add(drift))
}

fn between(before: AnchorPoint, after: AnchorPoint, ticks_us: u64) -> UtcMicros {
    // Two that are close may differ by more than drift and yet be sound; then the later is as good as a line.
    at_rate(after, ticks_us, rate(before, after, 1).unwrap_or(1.0))
}

fn beyond(last: AnchorPoint, second: Option<AnchorPoint>, ticks_us: u64) -> Result<UtcMicros, Undated> {
    let said =
        at_rate(last, ticks_us, second.and_then(|second| rate(last, second, MIN_SPAN_US)).unwrap_or(1.0));
    match second {
        Some(second) if !second.agrees(&last) => {
            Err(Undated::Implausible { said, why: Implausible::Contradicted })
        }
        _ => Ok(said),
    }
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
        let mut late = [anchor(10 * HOUR, 0.0), anchor(11 * HOUR, 0.0)];
        for late in &mut late {
            late.utc.0 += 3_600_000_000;
        }
        let early = anchor(HOUR, 0.0);
        let two = Timeline::new(vec![early, late[0]]);
        assert_eq!(two.date(3, 9 * HOUR, early.utc), Err(Undated::NotYet), "which of the two is right?");
        let said = UtcMicros(late[0].utc.0 - HOUR as i64);
        let contradicted = Err(Undated::Implausible { said, why: Implausible::Contradicted });
        assert_eq!(two.ended().date(3, 9 * HOUR, early.utc), contradicted);
        let three = Timeline::new(vec![early, late[0], late[1]]);
        assert_eq!(three.date(3, 9 * HOUR, late[1].utc), Ok(said));
        assert_eq!(three.utc(3, HOUR), Some(early.utc));
    }

    #[test]
    fn one_slip_among_sound_anchors_moves_nothing() {
        let mut slip = anchor(3 * HOUR, 20.0);
        slip.utc.0 -= 86_400_000_000;
        let timeline = Timeline::new(vec![anchor(HOUR, 20.0), slip, anchor(5 * HOUR, 20.0)]);
        for hour in [2, 4, 5] {
            let truth = anchor(hour * HOUR, 20.0).utc;
            let off = timeline.date(3, hour * HOUR, truth).unwrap().since(truth);
            assert!(off.abs() <= 2, "{off} µs off after {hour} h");
        }
    }

    #[test]
    fn what_has_no_date_says_why() {
        let next_boot = AnchorPoint { boot: 4, ticks_us: HOUR, utc: UtcMicros(BOOT + 5 * HOUR as i64) };
        let timeline = Timeline::new(vec![anchor(HOUR, 0.0), next_boot]);
        let received = next_boot.utc;
        assert_eq!(timeline.date(2, 7, received), Err(Undated::Never));
        assert_eq!(timeline.date(3, 2 * HOUR, received), Ok(UtcMicros(BOOT + 2 * HOUR as i64)));
        assert_eq!(timeline.date(4, HOUR + 1, received), Err(Undated::NotYet));
        assert_eq!(timeline.date(5, 0, received), Err(Undated::NotYet));
        assert_eq!(timeline.clone().ended().date(5, 0, received), Err(Undated::Never));
        assert_eq!(Timeline::default().date(5, 0, received), Err(Undated::NotYet));
    }

    #[test]
    fn a_date_that_cannot_be_right_is_refused() {
        let reset = AnchorPoint { boot: 1, ticks_us: HOUR, utc: UtcMicros(946_684_800_000_000) };
        let timeline = Timeline::new(vec![reset, anchor(100 * HOUR, 0.0)]);
        let why = Implausible::TooEarly;
        assert_eq!(
            timeline.date(1, HOUR, UtcMicros(BOOT)),
            Err(Undated::Implausible { said: reset.utc, why })
        );

        let said = anchor(50 * HOUR, 0.0).utc;
        let day_before = UtcMicros(said.0 - GRACE_US);
        assert_eq!(timeline.date(3, 50 * HOUR, day_before), Ok(said));
        let why = Implausible::InTheFuture;
        let refused = Err(Undated::Implausible { said, why });
        assert_eq!(timeline.date(3, 50 * HOUR, UtcMicros(day_before.0 - 1)), refused);
        // Whoever stored it did not know the year.
        assert_eq!(timeline.date(3, 50 * HOUR, UtcMicros(7_000_000)), Ok(said));
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

        /// The host's clock is set again and again, right or wrong, and the watch boots again; some anchors are the last word on their boot.
        #[test]
        fn what_is_dated_stays_dated_whatever_the_host_says_later(
            anchors in proptest::collection::vec((0_u16..3, 1_u64..30, 0_u8..4, -2_i64..3), 1..12),
            ended in proptest::bool::ANY,
        ) {
            let (mut boot, mut ticks_us, mut told) = (1, 0, Vec::new());
            for (reboots, hours, slips, days) in anchors {
                if reboots == 2 {
                    (boot, ticks_us) = (boot + 1, 0);
                }
                ticks_us += hours * HOUR / 4;
                let off = if slips == 0 { days * GRACE_US / 2 } else { 0 };
                let utc = UtcMicros(BOOT + i64::from(boot) * 4_000 * HOUR as i64 + ticks_us as i64 + off);
                told.push(AnchorPoint { boot, ticks_us, utc });
            }
            let ticks: Vec<(u16, u64)> =
                (1..=boot).flat_map(|boot| (0..90).map(move |at| (boot, at * HOUR))).collect();
            let received = UtcMicros(BOOT * 2);
            let mut dated = vec![Err(Undated::NotYet); ticks.len()];
            for known in 1..=told.len() {
                let timeline = Timeline::new(told[..known].to_vec());
                let timeline = if ended && known == told.len() { timeline.ended() } else { timeline };
                for (before, &(boot, at)) in dated.iter_mut().zip(&ticks) {
                    let now = timeline.date(boot, at, received);
                    prop_assert!(before.is_err() || *before == now, "{boot}/{at} moved from {before:?} to {now:?}");
                    prop_assert!(now != Err(Undated::NotYet) || (boot >= told[known - 1].boot && !(ended && known == told.len())));
                    *before = now;
                }
            }
        }
    }
}
