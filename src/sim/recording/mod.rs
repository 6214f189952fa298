//! Recordings that a simulated watch replays: a real ride, a FIT file, an export folder in NOWATCH's form, or made-up days.
//!
//! None of it was measured by the watch that replays it. Whoever replays marks the data SYNTHETIC, and the uploader then
//! refuses it for any cloud but a loopback one.

mod error;
mod export;
mod fit;
mod frames;
mod generate;
mod ride;

use std::time::Duration;

use crate::measurement::{Quality, UtcMicros};
use crate::wire::bridge::Stream;

pub use error::{FieldError, RecordingError};
pub use export::{EXPORT_FILES, read_export, write_export};
pub use fit::read_fit;
pub use generate::generate;
pub use ride::ride;

/// Repetitions start on a whole second, as the samples of the 1 Hz streams do.
const TILE_STEP_MS: u64 = 1_000;
/// A sample of an hourly stream does not stretch a recording by an hour.
const LONGEST_TAIL_MS: u64 = 60_000;

/// What a watch measured, or might have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// What it is and under which licence it stands.
    pub source: String,
    /// When it was recorded, if that is known: the instant that `at_ms` counts from.
    pub started: Option<UtcMicros>,
    /// One track a stream.
    pub tracks: Vec<Track>,
}

/// The samples of one stream, in order of time ([`Track::new`] sees to it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The stream.
    pub stream: Stream,
    /// Its samples.
    pub samples: Vec<Sample>,
}

/// One sample. On [`Stream::BEATS`] it is one beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Milliseconds since the recording started.
    pub at_ms: u64,
    /// The value as the stream stores it: the real value times the stream's scale. For a beat, the R-R interval in ms that
    /// ended with it; 0 for the first beat of a run, before which nothing is known.
    pub value: i32,
    /// How far it can be trusted.
    pub quality: Quality,
}

impl Track {
    /// A track of these samples, brought into the order of time; samples of one instant keep their order.
    pub fn new(stream: Stream, mut samples: Vec<Sample>) -> Self {
        samples.sort_by_key(|sample| sample.at_ms);
        Self { stream, samples }
    }

    /// Milliseconds from the start of the recording to the end of the last sample.
    fn end_ms(&self) -> u64 {
        let period_ms = self.stream.info().map_or(0, |info| u64::from(info.period_ms));
        self.samples.last().map_or(0, |last| last.at_ms + period_ms.clamp(1, LONGEST_TAIL_MS))
    }

    fn tile(&self, length_ms: u64, total_ms: u64) -> Self {
        let mut samples = Vec::new();
        for start_ms in (0_u64..).map(|tile| tile * length_ms).take_while(|&start_ms| start_ms < total_ms) {
            let first = samples.len();
            let left_ms = total_ms - start_ms;
            let fitting = self.samples.iter().take_while(|sample| sample.at_ms < left_ms);
            samples.extend(fitting.map(|&sample| Sample { at_ms: start_ms + sample.at_ms, ..sample }));
            if let Some(beat) = samples.get_mut(first)
                && self.stream == Stream::BEATS
                && start_ms > 0
            {
                beat.value = 0;
            }
        }
        Self { stream: self.stream, samples }
    }
}

impl Recording {
    /// Milliseconds from the start to where a repetition would begin: the end of the last sample, in whole seconds.
    pub fn length_ms(&self) -> u64 {
        let end_ms = self.tracks.iter().map(Track::end_ms).max().unwrap_or(0);
        end_ms.next_multiple_of(TILE_STEP_MS)
    }

    /// The samples of one stream; none if the recording lacks it.
    pub fn samples_of(&self, stream: Stream) -> &[Sample] {
        self.tracks.iter().find(|track| track.stream == stream).map_or(&[], |track| &track.samples)
    }

    /// Every sample in the order of time; those of one instant in the order of the tracks.
    pub fn samples(&self) -> impl Iterator<Item = (Stream, Sample)> + '_ {
        let mut rests: Vec<(Stream, &[Sample])> =
            self.tracks.iter().map(|track| (track.stream, track.samples.as_slice())).collect();
        std::iter::from_fn(move || {
            let heads =
                rests.iter_mut().filter_map(|(stream, rest)| rest.first().map(|head| (*head, *stream, rest)));
            let (head, stream, rest) = heads.min_by_key(|(head, ..)| head.at_ms)?;
            *rest = &rest[1..];
            Some((stream, head))
        })
    }

    /// The recording over and over until `total` is full, each time in the recorded order. The heart cannot be continued
    /// from the end to the beginning, so every repetition starts a new run of beats. Less than one length cuts it short.
    #[must_use]
    pub fn tile(&self, total: Duration) -> Self {
        let total_ms = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
        // An empty recording has no length; a step of one second more would change nothing but must not be zero.
        let length_ms = self.length_ms();
        if length_ms == 0 {
            return self.clone();
        }
        let tracks = self.tracks.iter().map(|track| track.tile(length_ms, total_ms)).collect();
        Self { source: self.source.clone(), started: self.started, tracks }
    }

    /// Adds the streams of `other` that this recording lacks, both starting at the same instant. What both have stays as it
    /// is here: two hearts do not make one.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for track in other.tracks {
            if self.samples_of(track.stream).is_empty() {
                self.tracks.retain(|own| own.stream != track.stream);
                self.tracks.push(track);
            }
        }
        self.source = format!("{}; {}", self.source, other.source);
        self.started = self.started.or(other.started);
        self
    }
}
