//! What the watch holds in RAM: an open block for each stream, and the newest values.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::bridge::{Boot, Sample, Sealer, Seq, Stream, Verdict, seal};

/// When an open block is sealed, apart from when it is full or on request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SealPolicy {
    /// After a minute for heart rate and beats, a quarter of an hour for the others: bounds what a power cut costs.
    #[default]
    Bounded,
    /// Never: the fewest bytes on the air.
    Packed,
}

/// The open blocks. All of it is lost at a power cut.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    policy: SealPolicy,
    open: BTreeMap<Stream, Sealer>,
    /// Newest samples that no live block has carried yet.
    fresh: BTreeMap<Stream, Sample>,
}

impl SealPolicy {
    fn seal_age_ms(self, stream: Stream) -> u64 {
        match self {
            Self::Packed => u64::MAX,
            Self::Bounded if matches!(stream, Stream::HEART_RATE | Stream::BEATS) => 60_000,
            Self::Bounded => 15 * 60_000,
        }
    }
}

impl Recorder {
    /// With nothing recorded.
    pub const fn new(policy: SealPolicy) -> Self {
        Self { policy, open: BTreeMap::new(), fresh: BTreeMap::new() }
    }

    /// Offers a sample to the open block of its stream.
    pub fn push(&mut self, stream: Stream, sample: Sample) -> Verdict {
        let verdict = self.open.entry(stream).or_insert_with(|| Sealer::new(stream)).push(sample);
        if verdict == Verdict::Taken {
            self.fresh.insert(stream, sample);
        }
        verdict
    }

    /// Streams whose open block is old enough to be sealed.
    pub fn due(&self, now_ms: u64) -> Vec<Stream> {
        let age = |sealer: &Sealer| sealer.samples().first().map(|first| now_ms.saturating_sub(first.at_ms));
        let due =
            |sealer: &&Sealer| age(sealer).is_some_and(|age| age >= self.policy.seal_age_ms(sealer.stream()));
        self.open.values().filter(due).map(Sealer::stream).collect()
    }

    /// Streams with something in their open block.
    pub fn filled(&self) -> Vec<Stream> {
        self.open.values().filter(|sealer| !sealer.samples().is_empty()).map(Sealer::stream).collect()
    }

    /// Seals the open block of a stream and tells how many samples it holds.
    pub fn seal(&mut self, stream: Stream, seq: Seq, boot: Boot) -> Option<(Bytes, u64)> {
        let sealer = self.open.get_mut(&stream)?;
        let samples = sealer.samples().len() as u64;
        sealer.seal(seq, boot).map(|block| (block, samples))
    }

    /// Samples in RAM.
    pub fn samples(&self) -> u64 {
        self.open.values().map(|sealer| sealer.samples().len() as u64).sum()
    }

    /// A live block of the newest sample of one of the streams in `mask`, if it was not sent yet.
    pub fn live(&mut self, mask: u32, boot: Boot) -> Option<Bytes> {
        let wanted = |stream: &Stream| 1_u32.checked_shl(stream.0.into()).is_some_and(|bit| mask & bit != 0);
        let stream = self.fresh.keys().copied().find(wanted)?;
        let sample = self.fresh.remove(&stream)?;
        Some(seal(Seq(0), boot, stream, &[sample]))
    }
}
