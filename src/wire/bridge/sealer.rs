//! Gathers the samples of one stream until a block is full.
//!
//! The watch uses one for each of its streams; the host uses one to seal live samples of sensors that keep no history: those come
//! when they come, so that their times have to be written down ([`Sealer::unevenly`]). Sizes are counted as samples come in, so that
//! nothing is packed twice to find out whether it still fits.

use bytes::Bytes;

use super::block::{SEALED_BLOCK, Sample, follows, seal};
use super::varint::{len, zigzag};
use super::{Boot, Seq, Stream};
use crate::measurement::Quality;

/// Length in front (2), header (seq 5, boot 3, t0 5, stream 1, codec 1, n 2) and CRC (4), each at its longest: t0 at 5 bytes
/// is 397 days of one boot.
const FRAME: usize = 2 + 5 + 3 + 5 + 1 + 1 + 2 + 4;

/// Whether a sample went into the open block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Taken,
    /// It did not: seal first, then offer it again.
    SealFirst,
}

/// The open block of one stream.
#[derive(Clone, Debug)]
pub struct Sealer {
    stream: Stream,
    /// Times may differ from the stream's period.
    uneven: bool,
    samples: Vec<Sample>,
    sizes: Sizes,
}

/// Running sizes of the payload in each packing, and of the quality tail.
#[derive(Clone, Debug, Default)]
struct Sizes {
    deltas: usize,
    nibbles: usize,
    runs: Runs,
    pairs: usize,
    /// A time differs from the stream's period.
    strayed: bool,
    qualities: Runs,
    mixed: bool,
}

/// The running size of runs.
#[derive(Clone, Debug, Default)]
struct Runs {
    closed: usize,
    value: i64,
    count: u64,
}

impl Sealer {
    /// An empty block of `stream`.
    pub fn new(stream: Stream) -> Self {
        Self { stream, uneven: false, samples: Vec::new(), sizes: Sizes::default() }
    }

    /// The same for samples that keep no period: a block may hold any that go forward in time. A block of beats is still one run.
    pub fn unevenly(stream: Stream) -> Self {
        Self { uneven: true, ..Self::new(stream) }
    }

    /// What it gathers.
    pub const fn stream(&self) -> Stream {
        self.stream
    }

    /// The samples in the open block.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Offers a sample. It is not taken if the block is full, or if its time does not follow the stream's rule (a missed
    /// second, a new run of beats, a clock that went back).
    pub fn push(&mut self, sample: Sample) -> Verdict {
        let last = self.samples.last();
        let as_ruled = last.is_none_or(|last| follows(self.stream, last, &sample));
        if !(as_ruled || self.may_stray(&sample)) || self.samples.len() >= usize::from(u16::MAX) {
            return Verdict::SealFirst;
        }
        let mut sizes = self.sizes.clone();
        sizes.add(last, &sample);
        sizes.strayed |= !as_ruled;
        if !self.samples.is_empty() && FRAME + sizes.payload(self.stream) > SEALED_BLOCK {
            return Verdict::SealFirst;
        }
        self.sizes = sizes;
        self.samples.push(sample);
        Verdict::Taken
    }

    /// Seals what was gathered under `seq` and starts anew. `None` if there is nothing.
    pub fn seal(&mut self, seq: Seq, boot: Boot) -> Option<Bytes> {
        if self.samples.is_empty() {
            return None;
        }
        let samples = std::mem::take(&mut self.samples);
        self.sizes = Sizes::default();
        Some(seal(seq, boot, self.stream, &samples))
    }

    /// Whether a sample that does not follow the stream's rule may go into the open block all the same.
    fn may_stray(&self, sample: &Sample) -> bool {
        let forward = self.samples.last().is_none_or(|last| last.at_ms <= sample.at_ms);
        self.uneven && forward && self.stream != Stream::BEATS
    }
}

impl Sizes {
    fn add(&mut self, last: Option<&Sample>, sample: &Sample) {
        let value = i64::from(sample.value);
        let difference = value - last.map_or(0, |last| i64::from(last.value));
        let plain = len(zigzag(difference));
        self.deltas += plain;
        // Counted in half bytes.
        self.nibbles += match last {
            None => 2 * plain,
            Some(_) if difference.abs() <= 7 => 1,
            Some(_) => 1 + 2 * plain,
        };
        self.runs.add(value);
        self.pairs += len(sample.at_ms - last.map_or(sample.at_ms, |last| last.at_ms)) + len(zigzag(value));
        self.qualities.add(sample.quality.get().into());
        self.mixed |= sample.quality != Quality::BEST;
    }

    fn payload(&self, stream: Stream) -> usize {
        let regular = stream.info().is_some_and(|info| info.period_ms > 0);
        let nibbles = self.nibbles.div_ceil(2);
        let values = if self.strayed {
            self.pairs
        } else if regular {
            self.deltas.min(nibbles).min(self.runs.size())
        } else if stream == Stream::BEATS {
            self.deltas.min(nibbles)
        } else {
            self.pairs
        };
        values + if self.mixed { self.qualities.size() } else { 0 }
    }
}

impl Runs {
    fn add(&mut self, value: i64) {
        if self.count > 0 && self.value == value {
            self.count += 1;
        } else {
            self.closed = self.size();
            self.value = value;
            self.count = 1;
        }
    }

    fn size(&self) -> usize {
        if self.count == 0 { 0 } else { self.closed + len(zigzag(self.value)) + len(self.count) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::bridge::RawBlock;

    fn streams() -> impl Strategy<Value = Stream> {
        prop_oneof![
            Just(Stream::HEART_RATE),
            Just(Stream::BEATS),
            Just(Stream::ACTIVITY_TYPE),
            Just(Stream::TEMPERATURE)
        ]
    }

    proptest! {
        /// Whatever a stream records, sealing keeps each sample, in order, and no block outgrows a notification.
        #[test]
        fn sealed_samples_come_back(
            stream in streams(),
            steps in proptest::collection::vec((0_u64..3, -12_i32..1200, 0_u8..=4), 1..900),
        ) {
            let mut sealer = Sealer::new(stream);
            let (mut blocks, mut given, mut at_ms) = (Vec::new(), Vec::new(), 1_000);
            for (skip, value, quality) in steps {
                let quality = if skip == 0 { Quality::BEST } else { quality.try_into().unwrap() };
                at_ms += match stream {
                    Stream::BEATS if value > 0 && skip < 2 => value as u64,
                    Stream::ACTIVITY_TYPE => skip * 60_000 + 1,
                    _ => u64::from(stream.info().unwrap().period_ms) * (1 + skip / 2),
                };
                let sample = Sample { at_ms, value, quality };
                if sealer.push(sample) == Verdict::SealFirst {
                    blocks.extend(sealer.seal(Seq(blocks.len() as u32 + 1), Boot(9)));
                    prop_assert_eq!(sealer.push(sample), Verdict::Taken);
                }
                given.push(sample);
            }
            blocks.extend(sealer.seal(Seq(u32::MAX), Boot(9)));
            let mut back = Vec::new();
            for block in blocks {
                prop_assert!(block.len() <= SEALED_BLOCK, "{} bytes", block.len());
                back.extend(RawBlock::parse(block).unwrap().samples().unwrap());
            }
            prop_assert_eq!(back, given);
        }
    }

    proptest! {
        /// What arrives when it arrives keeps its times to the millisecond, also where it happens to keep the period for a while.
        #[test]
        fn samples_that_keep_no_period_keep_their_times(
            stream in prop_oneof![Just(Stream::HEART_RATE), Just(Stream::TEMPERATURE), Just(Stream::SPO2)],
            steps in proptest::collection::vec((prop_oneof![Just(1_000_u64), 0_u64..90_000], 30_i32..200, 0_u8..=4), 1..400),
        ) {
            let mut sealer = Sealer::unevenly(stream);
            let (mut blocks, mut given, mut at_ms) = (Vec::new(), Vec::new(), 60_000);
            for (step, value, quality) in steps {
                at_ms += step;
                let sample = Sample { at_ms, value, quality: quality.try_into().unwrap() };
                if sealer.push(sample) == Verdict::SealFirst {
                    blocks.extend(sealer.seal(Seq(1), Boot(9)));
                    prop_assert_eq!(sealer.push(sample), Verdict::Taken);
                }
                given.push(sample);
            }
            blocks.extend(sealer.seal(Seq(1), Boot(9)));
            let mut back = Vec::new();
            for block in blocks {
                prop_assert!(block.len() <= SEALED_BLOCK, "{} bytes", block.len());
                back.extend(RawBlock::parse(block).unwrap().samples().unwrap());
            }
            prop_assert_eq!(back, given);
        }
    }

    #[test]
    fn a_sample_that_goes_back_in_time_needs_a_block_of_its_own() {
        let mut sealer = Sealer::unevenly(Stream::HEART_RATE);
        let at = |at_ms| Sample { at_ms, value: 60, quality: Quality::BEST };
        assert_eq!(sealer.push(at(5_000)), Verdict::Taken);
        assert_eq!(sealer.push(at(5_000)), Verdict::Taken);
        assert_eq!(sealer.push(at(4_999)), Verdict::SealFirst);
    }

    #[test]
    fn a_resting_heart_packs_to_about_half_a_byte_a_sample() {
        let mut sealer = Sealer::new(Stream::HEART_RATE);
        let mut at_ms = 0;
        let beat = |at_ms: u64| 60 + (at_ms / 3_000 % 5) as i32;
        while sealer.push(Sample { at_ms, value: beat(at_ms), quality: Quality::BEST }) == Verdict::Taken {
            at_ms += 1_000;
        }
        let samples = sealer.samples().len();
        let block = sealer.seal(Seq(1), Boot(1)).unwrap();
        assert!(samples > 400 && block.len() > 225, "{samples} samples in {} bytes", block.len());
    }
}
