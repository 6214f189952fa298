//! A watch with days of made-up measurements in its flash.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::measurement::UtcMicros;
use nowbridge::sim::recording::{self, Recording};
use nowbridge::sim::watch::{Flash, SealPolicy, SimWatch, WatchOptions};
use nowbridge::wire::bridge::{LogStore, RawBlock, Sample, Seq, Stream};

/// 2025-11-22 16:00:00 UTC.
pub const START: UtcMicros = UtcMicros(1_763_827_200_000_000);
/// Seed of everything that is made up.
pub const SEED: u64 = 1;

/// 32 MiB: more than four weeks in any sealing.
const FLASH_PAGES: usize = 8192;

/// What a wearer's days measure: every stream that `recording::generate` makes.
pub fn days(days: u32) -> Recording {
    recording::generate(SEED, Duration::from_hours(24) * days)
}

/// The same with heart rate and beats only.
pub fn hearts(count: u32) -> Recording {
    let mut recording = days(count);
    recording.tracks.retain(|track| [Stream::HEART_RATE, Stream::BEATS].contains(&track.stream));
    recording
}

/// A watch that has recorded all of it, with everything sealed.
pub fn watch(recording: &Recording, policy: SealPolicy, clock: Clock) -> SimWatch {
    let age = Duration::from_millis(recording.length_ms());
    let options = WatchOptions { clock, age, policy, seed: SEED, ..WatchOptions::default() };
    let mut watch = SimWatch::power_on(Flash::blank(FLASH_PAGES), options);
    watch.record_all(recording.samples().map(|(stream, sample)| {
        (stream, Sample { at_ms: sample.at_ms, value: sample.value, quality: sample.quality })
    }));
    watch.seal_all();
    watch
}

/// What is in a log.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// The blocks, from number 1 on.
    pub blocks: Vec<Bytes>,
    /// Bytes in them.
    pub bytes: u64,
    /// Samples in them.
    pub samples: u64,
}

impl Load {
    /// Name, bytes and samples of each stream.
    pub fn by_stream(&self) -> Vec<(&'static str, u64, u64)> {
        let mut parts: BTreeMap<Stream, (u64, u64)> = BTreeMap::new();
        for block in self.blocks.iter().filter_map(|block| RawBlock::parse(block.clone()).ok()) {
            let part = parts.entry(block.header().stream).or_default();
            *part = (part.0 + block.bytes().len() as u64, part.1 + u64::from(block.header().n));
        }
        let name = |stream: Stream| stream.info().map_or("unknown", |info| info.name);
        parts.into_iter().map(|(stream, (bytes, samples))| (name(stream), bytes, samples)).collect()
    }

    /// Everything that this watch has sealed.
    pub fn of(watch: &mut SimWatch) -> Self {
        let mut load = Self::default();
        while let Ok(Some((seq, block))) = watch.block(Seq(load.blocks.len() as u32 + 1)) {
            let sound = RawBlock::parse(block.clone()).expect("a watch without faults keeps sound blocks");
            assert_eq!(
                seq.0 as usize,
                load.blocks.len() + 1,
                "a watch that never lost power skips no number"
            );
            load.bytes += block.len() as u64;
            load.samples += u64::from(sound.header().n);
            load.blocks.push(block);
        }
        load
    }
}
