//! Heart beats from R-R intervals: the sensor measures the time between beats, the API wants the beats themselves.

use super::{Beat, HeartBeatFrame, Quality, Reading, UtcMicros, Value};

/// A beat with both its times: on the watch's clock and in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedBeat {
    /// Milliseconds on the watch's clock since it booted.
    pub watch_ms: u64,
    /// The same instant in UTC.
    pub at: UtcMicros,
    /// How far the beat can be trusted.
    pub quality: Quality,
    /// The next beat does not follow on this one.
    pub ends_run: bool,
}

/// The times of the beats of one uninterrupted run, in ms: the first beat at `first_ms`, each further one an interval later.
/// `intervals_ms[0]` is the interval that *ended* with the first beat, so it moves nothing.
pub fn beat_times(first_ms: u64, intervals_ms: &[i32]) -> impl Iterator<Item = u64> {
    let mut at = first_ms;
    intervals_ms.iter().enumerate().map(move |(index, &interval)| {
        if index > 0 {
            at = at.saturating_add(u64::try_from(interval).unwrap_or(0));
        }
        at
    })
}

/// Gathers beats, in order of time, into one `HEART_BEAT` reading per UTC second that has any.
///
/// A second with more beats than a frame can hold (15; no heart does that) keeps the first 15.
pub fn readings(beats: &[TimedBeat]) -> Vec<Reading> {
    let mut rows = Vec::with_capacity(beats.len());
    for second in beats.chunk_by(|a, b| a.at.seconds() == b.at.seconds()) {
        let held = &second[..second.len().min(HeartBeatFrame::MAX_BEATS)];
        let frame = held.iter().map(|beat| Beat {
            at_ms: beat.watch_ms as u32,
            quality: beat.quality,
            ends_run: beat.ends_run,
        });
        let Ok(frame) = HeartBeatFrame::new(frame.collect()) else { continue };
        // The row's own quality is 4 in everything NOWATCH writes; what is known of a single beat is in its frame.
        rows.push(Reading {
            at: second[0].at.seconds(),
            value: Value::Beats(frame),
            quality: Some(Quality::BEST),
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::UnixSeconds;

    #[test]
    fn intervals_become_beats_and_beats_become_rows() {
        let times: Vec<u64> = beat_times(1_000, &[0, 700, 800]).collect();
        assert_eq!(times, [1_000, 1_700, 2_500]);

        let boot = 1_672_531_200_000_000_i64;
        let beats: Vec<TimedBeat> = times
            .iter()
            .map(|&watch_ms| TimedBeat {
                watch_ms,
                at: UtcMicros(boot + watch_ms as i64 * 1_000),
                quality: Quality::BEST,
                ends_run: watch_ms == 2_500,
            })
            .collect();
        let rows = readings(&beats);
        let text: Vec<(UnixSeconds, String)> =
            rows.iter().map(|row| (row.at, row.value.to_string())).collect();
        assert_eq!(
            text,
            [
                (UnixSeconds(1_672_531_201), "020204e803000000000004a4060000000000".to_owned()),
                (UnixSeconds(1_672_531_202), "010204c409000000 00ff".replace(' ', "")),
            ]
        );
    }

    #[test]
    fn a_negative_interval_never_runs_back() {
        assert_eq!(beat_times(5, &[0, -7, 3]).collect::<Vec<_>>(), [5, 5, 8]);
    }
}
