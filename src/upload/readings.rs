//! From blocks to readings: samples get their UTC second, beats become frames.
//!
//! The API keeps one value per kind and second. Where two samples fall in one second the later one stands, here as on the
//! server, and the number that had to give way is told, so that every sample is accounted for.

use std::ops::Range;

use crate::measurement::beats::{self, TimedBeat};
use crate::measurement::{Kind, Reading, Timeline, Undated, UtcMicros, Value, ValueType};
use crate::outbox::Position;
use crate::wire::bridge::{BlockError, Boot, RawBlock, Sample, Seq, Stream};

/// How far the time of a block's first beat may be off from where its interval puts it: a sensor's own clock is set right
/// between blocks. No two beats are that close.
const BEAT_SLACK_MS: u64 = 200;

/// The rows of a table, in order of time, one per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// What goes up.
    pub readings: Vec<Reading>,
    /// Samples that these rows stand for (without those before and behind).
    pub samples: u64,
    /// Samples that share a second with a later one of the same kind; beats that no longer fit into their second's frame.
    pub folded: u64,
}

/// Why blocks cannot become rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// A block whose CRC is right does not hold what it promises.
    #[error("block {seq} cannot be unpacked: {source}")]
    Undecodable {
        /// The block.
        seq: Seq,
        /// What is wrong with it.
        source: BlockError,
    },
    /// A sample without a time that can be believed.
    #[error("block {at} is of boot {boot}, whose time is not known")]
    Undated {
        /// The place before it.
        at: Position,
        /// The boot.
        boot: Boot,
        /// What is known.
        why: Undated,
    },
}

/// Some samples of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The block.
    pub block: RawBlock,
    /// When it was stored.
    pub received: UtcMicros,
    /// Which of its samples.
    pub range: Range<u16>,
}

/// Samples of one stream of one log, with what is needed to date them.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The kind that the stream is uploaded as.
    pub kind: Kind,
    /// What lies before the first, in order, as far back as a second of heart beats may reach. The beats of the last second are
    /// repeated: their row may have grown, or their run may turn out to have ended.
    pub before: &'a [Part],
    /// What to upload, in order.
    pub parts: &'a [Part],
    /// What lies behind the last, if it was sent already: in a second that both share, the rows must not take it away again. It is
    /// empty for what is sent in its turn, so that a retry makes the same rows however much has arrived since.
    pub after: &'a [Part],
    /// The clock.
    pub timeline: &'a Timeline,
}

impl Part {
    /// All samples of a block.
    pub const fn whole(block: RawBlock, received: UtcMicros) -> Self {
        let range = 0..block.header().n;
        Self { block, received, range }
    }
}

impl Source<'_> {
    /// Makes the rows.
    pub fn rows(&self) -> Result<Rows, RowsError> {
        if self.kind.value_type() == ValueType::Frame { self.beat_rows() } else { self.value_rows() }
    }

    /// Those of the rows that were sent before, in what lies before, as they were then.
    pub fn repeated(&self, rows: &Rows) -> Vec<Reading> {
        let before = if self.kind.value_type() == ValueType::Frame {
            beats::readings(&self.last_second())
        } else {
            let last = self.before.last().and_then(|before| self.dated(before).ok()?.last().copied());
            last.map(|last| self.reading(last)).into_iter().collect()
        };
        let is_there = |before: &Reading| rows.readings.iter().any(|row| row.at == before.at);
        before.into_iter().filter(is_there).collect()
    }

    fn reading(&self, (sample, at): (Sample, UtcMicros)) -> Reading {
        Reading {
            at: at.seconds(),
            value: value(self.kind, sample.value),
            quality: self.kind.has_quality().then_some(sample.quality),
        }
    }

    fn value_rows(&self) -> Result<Rows, RowsError> {
        let mut readings: Vec<Reading> = Vec::new();
        let reading = |dated| self.reading(dated);
        for part in self.parts {
            readings.extend(self.dated(part)?.into_iter().map(reading));
        }
        let samples = readings.len() as u64;
        // The batch before ends in the second in which this one begins: its last sample gives way on the server.
        let seam = self.before.last().and_then(|before| self.dated(before).ok());
        let seam = seam.and_then(|dated| dated.last().map(|(_, at)| at.seconds()));
        let gives_way =
            u64::from(seam.is_some_and(|seam| readings.first().is_some_and(|first| first.at == seam)));
        let last = readings.last().map(|last| last.at);
        let behind = self.after.iter().filter_map(|part| self.dated(part).ok()).flatten().map(reading);
        readings.extend(behind.filter(|reading| Some(reading.at) == last));
        let all = readings.len() as u64;
        // A stable sort keeps the order of samples within a second: the last one is the latest.
        readings.sort_by_key(|reading| reading.at);
        readings.reverse();
        readings.dedup_by_key(|reading| reading.at);
        readings.reverse();
        let folded = all - readings.len() as u64 + gives_way;
        Ok(Rows { readings, samples, folded })
    }

    fn beat_rows(&self) -> Result<Rows, RowsError> {
        let mut beats = self.last_second();
        let mut samples = 0;
        for part in self.parts {
            let dated = self.dated(part)?;
            samples += dated.len() as u64;
            go_on(&mut beats, &dated);
        }
        let (own, last) = (beats.len(), beats.last().map(|beat| beat.at.seconds()));
        for part in self.after {
            let Ok(dated) = self.dated(part) else { continue };
            go_on(&mut beats, &dated);
        }
        let behind = beats.split_off(own);
        beats.extend(behind.into_iter().filter(|beat| Some(beat.at.seconds()) == last));
        beats.sort_by_key(|beat| beat.at);
        let readings = beats::readings(&beats);
        let folded = (beats.len() - readings.iter().map(beats_in).sum::<usize>()) as u64;
        Ok(Rows { readings, samples, folded })
    }

    /// The beats of the last second before.
    fn last_second(&self) -> Vec<TimedBeat> {
        let mut beats = Vec::new();
        for part in self.before {
            // What cannot be read was told when its own batch was made.
            let Ok(dated) = self.dated(part) else { continue };
            go_on(&mut beats, &dated);
        }
        let last = beats.last().map(|beat| beat.at.seconds());
        beats.retain(|beat| Some(beat.at.seconds()) == last);
        beats
    }

    fn dated(&self, part: &Part) -> Result<Vec<(Sample, UtcMicros)>, RowsError> {
        let Part { block, received, range } = part;
        let header = block.header();
        let (seq, boot) = (header.seq, header.boot);
        let samples = block.samples().map_err(|source| RowsError::Undecodable { seq, source })?;
        let date = |(index, sample): (u16, Sample)| {
            let at = self.timeline.date(boot.0, sample.at_ms.saturating_mul(1_000), *received);
            let place = Position { seq, sample: index };
            at.map(|at| (sample, at)).map_err(|why| RowsError::Undated { at: place, boot, why })
        };
        (0..).zip(samples).filter(|(index, _)| range.contains(index)).map(date).collect()
    }
}

fn value(kind: Kind, stored: i32) -> Value {
    match kind.value_type() {
        ValueType::Decimal => {
            let scale = Stream::of_kind(kind).and_then(Stream::info).map_or(1, |info| info.scale);
            Value::Decimal(f64::from(stored) / f64::from(scale))
        }
        _ => Value::Integer(stored.into()),
    }
}

fn beat(&(sample, at): &(Sample, UtcMicros)) -> TimedBeat {
    TimedBeat { watch_ms: sample.at_ms, at, quality: sample.quality, ends_run: false }
}

/// Adds the beats of a block, and marks the last one before if they do not follow on it.
fn go_on(beats: &mut Vec<TimedBeat>, block: &[(Sample, UtcMicros)]) {
    if let (Some(last), Some((first, _))) = (beats.last_mut(), block.first()) {
        last.ends_run = !follows(last.watch_ms, first);
    }
    beats.extend(block.iter().map(beat));
}

/// Whether the interval that ended with the first beat of a block began with the last one we have. It did not where the watch
/// says that a run starts, nor where a block between them is missing.
fn follows(last_ms: u64, first: &Sample) -> bool {
    let Ok(interval_ms @ 1..) = u64::try_from(first.value) else { return false };
    last_ms.saturating_add(interval_ms).abs_diff(first.at_ms) <= BEAT_SLACK_MS
}

fn beats_in(row: &Reading) -> usize {
    match &row.value {
        Value::Beats(frame) => frame.beats().len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::AnchorPoint;
    use crate::wire::bridge::seal;

    const BOOTED: i64 = 1_672_531_200_000_000;

    fn timeline() -> Timeline {
        Timeline::new(vec![AnchorPoint {
            boot: 1,
            ticks_us: 1_000_000_000,
            utc: UtcMicros(BOOTED + 1_000_000_000),
        }])
    }

    fn block(seq: u32, stream: Stream, samples: &[(u64, i32, u8)]) -> Part {
        let samples: Vec<Sample> = samples
            .iter()
            .map(|&(at_ms, value, quality)| Sample { at_ms, value, quality: quality.try_into().unwrap() })
            .collect();
        let block = RawBlock::parse(seal(Seq(seq), Boot(1), stream, &samples)).unwrap();
        Part::whole(block, UtcMicros(BOOTED + 1_000_000_000))
    }

    fn part(block: &Part, range: Range<u16>) -> Part {
        Part { range, ..block.clone() }
    }

    fn source<'a>(kind: Kind, parts: &'a [Part], timeline: &'a Timeline) -> Source<'a> {
        Source { kind, before: &[], parts, after: &[], timeline }
    }

    fn lines(source: Source<'_>) -> Vec<String> {
        let line = |row: &Reading| {
            let quality = row.quality.map_or_else(|| "-".to_owned(), |quality| quality.to_string());
            format!("{} {} {quality}", row.at.0 - BOOTED / 1_000_000, row.value)
        };
        source.rows().unwrap().readings.iter().map(line).collect()
    }

    #[test]
    fn scaled_values_and_qualities_come_through() {
        let timeline = timeline();
        let blocks = [block(1, Stream::TEMPERATURE, &[(500, 3644, 4), (60_500, 3650, 1)])];
        let source = source(Kind::Temperature, &blocks, &timeline);
        assert_eq!(lines(source), ["0 36.44 4", "60 36.5 1"]);
    }

    #[test]
    fn of_two_samples_in_a_second_the_later_stands_and_the_other_is_counted() {
        let timeline = timeline();
        let blocks = [block(1, Stream::ACTIVITY_TYPE, &[(100, 1, 4), (900, 4, 4), (1_000, 6, 4)])];
        let source = source(Kind::ActivityType, &blocks, &timeline);
        assert_eq!(lines(source), ["0 4 4", "1 6 4"]);
        let rows = source.rows().unwrap();
        assert_eq!((rows.samples, rows.folded), (3, 1));
    }

    #[test]
    fn a_second_of_beats_that_spans_two_batches_is_sent_whole_by_the_second() {
        let timeline = timeline();
        let first = [block(1, Stream::BEATS, &[(200, 0, 4), (900, 700, 4), (1_400, 500, 4)])];
        let second = [block(2, Stream::BEATS, &[(1_900, 500, 4), (2_400, 500, 4)])];
        let source = Source { before: &first, ..source(Kind::HeartBeat, &second, &timeline) };
        assert_eq!(lines(source), ["1 02020478050000000000046c070000000000 4", "2 01020460090000000000 4"]);
        assert_eq!(source.rows().unwrap().samples, 2);
    }

    #[test]
    fn a_run_that_ends_is_marked_on_its_last_beat() {
        let timeline = timeline();
        let first = [block(1, Stream::BEATS, &[(200, 0, 4)])];
        let next = [block(2, Stream::BEATS, &[(5_000, 0, 4)])];
        let source = Source { before: &first, ..source(Kind::HeartBeat, &next, &timeline) };
        assert_eq!(lines(source), ["0 010204c80000000000ff 4", "5 01020488130000000000 4"]);
    }

    #[test]
    fn a_run_ends_where_a_block_is_missing() {
        let timeline = timeline();
        // The beats at 1.7 and 2.4 s were in a block that the watch has overwritten.
        let blocks = [
            block(1, Stream::BEATS, &[(200, 0, 4), (1_000, 800, 4)]),
            block(3, Stream::BEATS, &[(3_100, 700, 4)]),
        ];
        let source = source(Kind::HeartBeat, &blocks, &timeline);
        let ends: Vec<bool> = lines(source).iter().map(|line| line.contains("00ff ")).collect();
        assert_eq!(ends, [false, true, false]);
    }

    #[test]
    fn beats_that_no_frame_holds_are_counted() {
        let timeline = timeline();
        let noise: Vec<(u64, i32, u8)> =
            (0..20).map(|beat| (beat * 40, if beat == 0 { 0 } else { 40 }, 0)).collect();
        let blocks = [block(1, Stream::BEATS, &noise)];
        let source = source(Kind::HeartBeat, &blocks, &timeline);
        let rows = source.rows().unwrap();
        assert_eq!((rows.readings.len(), rows.samples, rows.folded), (1, 20, 5));
    }

    #[test]
    fn a_boot_without_a_clock_is_named() {
        let blocks = [block(7, Stream::HEART_RATE, &[(0, 60, 4)])];
        let none = Timeline::default();
        let source = source(Kind::HeartRate, &blocks, &none);
        let at = Position { seq: Seq(7), sample: 0 };
        assert_eq!(source.rows(), Err(RowsError::Undated { at, boot: Boot(1), why: Undated::NotYet }));
    }

    #[test]
    fn a_block_can_be_sent_in_parts() {
        let timeline = timeline();
        let whole =
            block(1, Stream::HEART_RATE, &[(0, 60, 4), (1_000, 61, 4), (2_000, 62, 4), (3_000, 63, 4)]);
        let (before, now) = ([part(&whole, 0..1)], [part(&whole, 1..3)]);
        let source = Source { before: &before, ..source(Kind::HeartRate, &now, &timeline) };
        assert_eq!(lines(source), ["1 61 4", "2 62 4"]);
        assert_eq!(source.rows().unwrap().samples, 2);
    }

    #[test]
    fn what_was_sent_of_the_same_second_is_not_taken_away_by_what_is_sent_late() {
        let timeline = timeline();
        let blocks = block(1, Stream::ACTIVITY_TYPE, &[(100, 1, 4), (900, 4, 4), (1_000, 6, 4)]);
        let (late, after) = ([part(&blocks, 0..1)], [part(&blocks, 1..3)]);
        let activity = Source { after: &after, ..source(Kind::ActivityType, &late, &timeline) };
        assert_eq!(lines(activity), ["0 4 4"]);
        assert_eq!(activity.rows().unwrap().folded, 1);

        let pulse = block(1, Stream::BEATS, &[(200, 0, 4), (600, 400, 4), (900, 300, 4), (1_600, 700, 4)]);
        let (before, late, after) = ([part(&pulse, 0..1)], [part(&pulse, 1..2)], [part(&pulse, 2..4)]);
        let beats = Source { before: &before, after: &after, ..source(Kind::HeartBeat, &late, &timeline) };
        let whole = [part(&pulse, 0..3)];
        assert_eq!(lines(beats), lines(source(Kind::HeartBeat, &whole, &timeline)));
    }

    #[test]
    fn a_run_ends_where_a_beat_is_left_out() {
        let timeline = timeline();
        let pulse = block(1, Stream::BEATS, &[(200, 0, 4), (1_100, 900, 4), (2_000, 900, 4)]);
        let parts = [part(&pulse, 0..1), part(&pulse, 2..3)];
        let ends: Vec<bool> = lines(source(Kind::HeartBeat, &parts, &timeline))
            .iter()
            .map(|line| line.contains("00ff "))
            .collect();
        assert_eq!(ends, [true, false]);
    }
}
