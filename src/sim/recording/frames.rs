//! Beats to heart-beat frames and back.
//!
//! A frame counts milliseconds since the sensor session started, its row tells only the second. The start of the session is
//! what all rows together allow: each narrows it down to less than a second.

use crate::measurement::beats::{self, TimedBeat};
use crate::measurement::{Beat, HeartBeatFrame, Reading, UnixSeconds, UtcMicros};

use super::Sample;

/// A row of `heartbeats.csv`.
pub(super) type FrameRow = (UnixSeconds, HeartBeatFrame);

/// The rows of a recording's beats, the recording having started at `base`.
pub(super) fn to_rows(samples: &[Sample], base: UnixSeconds) -> Vec<Reading> {
    let next = samples.iter().skip(1).map(Some).chain([None]);
    let timed: Vec<TimedBeat> = samples
        .iter()
        .zip(next)
        .map(|(beat, next)| TimedBeat {
            watch_ms: beat.at_ms,
            at: UtcMicros(base.0 * 1_000_000 + beat.at_ms as i64 * 1_000),
            quality: beat.quality,
            ends_run: next.is_some_and(|next| next.value == 0),
        })
        .collect();
    beats::readings(&timed)
}

/// The beats of rows that are in the order of time, as a recording that started at `base` has them. The first beat, and each
/// that follows on a run's end or on a restart of the sensor, has the interval 0.
pub(super) fn from_rows(mut rows: &[FrameRow], base: UnixSeconds) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(rows.len());
    while !rows.is_empty() {
        let (origin_ms, len) = session(rows);
        let (held, rest) = rows.split_at(len);
        rows = rest;
        let mut previous: Option<Beat> = None;
        for &beat in held.iter().flat_map(|(_, frame)| frame.beats()) {
            let at_ms = origin_ms + i64::from(beat.at_ms) - base.0 * 1_000;
            samples.push(Sample {
                at_ms: u64::try_from(at_ms).unwrap_or(0),
                value: previous.map_or(0, |previous| interval_ms(previous, beat)),
                quality: beat.quality,
            });
            previous = Some(beat);
        }
    }
    samples
}

/// 0 where no interval may be computed: across the end of a run, or backwards.
fn interval_ms(previous: Beat, beat: Beat) -> i32 {
    let interval = if previous.ends_run { None } else { beat.at_ms.checked_sub(previous.at_ms) };
    interval.and_then(|ms| i32::try_from(ms).ok()).unwrap_or(0)
}

/// How many of the rows can be of one sensor session, and when it started, in ms UTC. A whole second is preferred where the
/// rows leave a choice: that is what [`to_rows`] writes, so that its beats come back to the millisecond.
fn session(rows: &[FrameRow]) -> (i64, usize) {
    let (mut earliest, mut before) = (i64::MIN, i64::MAX);
    let mut len = 0;
    for (second, frame) in rows {
        let started = second.0 * 1_000 - frame.beats().first().map_or(0, |beat| i64::from(beat.at_ms));
        let narrower = (earliest.max(started), before.min(started + 1_000));
        if narrower.0 >= narrower.1 {
            break;
        }
        (earliest, before) = narrower;
        len += 1;
    }
    let whole_second =
        earliest.div_euclid(1_000) * 1_000 + if earliest.rem_euclid(1_000) == 0 { 0 } else { 1_000 };
    (if whole_second < before { whole_second } else { earliest }, len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Quality;

    fn row(second: i64, beats: &[(u32, bool)]) -> FrameRow {
        let beats = beats.iter().map(|&(at_ms, ends_run)| Beat { at_ms, quality: Quality::BEST, ends_run });
        (UnixSeconds(second), HeartBeatFrame::new(beats.collect()).unwrap())
    }

    fn placed(rows: &[FrameRow]) -> Vec<(u64, i32)> {
        from_rows(rows, UnixSeconds(100)).iter().map(|beat| (beat.at_ms, beat.value)).collect()
    }

    #[test]
    fn the_rows_together_tell_when_the_session_started() {
        // The first row says: not before 90.400 s. The second: before 90.900 s.
        let rows = [row(100, &[(9_600, false)]), row(101, &[(11_100, false), (11_500, false)])];
        assert_eq!(placed(&rows), [(0, 0), (1_500, 1_500), (1_900, 400)]);
    }

    #[test]
    fn a_session_that_may_have_started_on_a_whole_second_did() {
        let rows = [row(100, &[(9_600, false)])];
        assert_eq!(placed(&rows), [(600, 0)]);
    }

    #[test]
    fn nothing_is_measured_across_the_end_of_a_run() {
        let rows = [row(100, &[(10_100, true)]), row(103, &[(13_000, false), (13_800, false)])];
        assert_eq!(placed(&rows), [(100, 0), (3_000, 0), (3_800, 800)]);
    }

    #[test]
    fn a_restarted_sensor_starts_a_new_run() {
        let rows = [row(100, &[(4_000_000, false)]), row(101, &[(300, false), (900, false)])];
        assert_eq!(placed(&rows), [(0, 0), (1_300, 0), (1_900, 600)]);
    }
}
