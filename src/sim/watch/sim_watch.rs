//! The watch: a recorder on top of a log on top of flash.

use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;

use super::clock::WatchClock;
use super::faults::Faults;
use super::flash::Flash;
use super::follow::Follow;
use super::ledger::{Counts, Diary};
use super::plate::Plate;
use super::power::boot;
use super::recorder::{Recorder, SealPolicy};
use super::ring::Ring;
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::wire::bridge::{
    AnchorRecord, BlockHeader, Boot, DeviceId, LogId, Sample, Stream, TimeSetting, Verdict,
};

/// What a simulated watch is like.
#[derive(Clone, Copy, Debug)]
pub struct WatchOptions {
    /// Who a blank watch becomes; one that has booted before keeps its id.
    pub device_id: DeviceId,
    /// How much too fast its crystal runs, parts per million; real ones are within ±50.
    pub drift_ppm: i32,
    /// When it seals blocks.
    pub policy: SealPolicy,
    /// The most credit it takes at once, bytes.
    pub max_credit: u16,
    /// What time it truly is.
    pub clock: Clock,
    /// What its ticks read when it is powered on: history from before now goes there.
    pub age: Duration,
    /// Log ids come from this.
    pub seed: u64,
}

/// A watch that exists in memory only. Its data are made up or replayed, and say so.
#[derive(Debug)]
pub struct SimWatch {
    pub(super) flash: Flash,
    pub(super) plate: Plate,
    pub(super) ring: Ring,
    pub(super) clock: WatchClock,
    pub(super) recorder: Recorder,
    pub(super) counts: Counts,
    pub(super) faults: Faults,
    pub(super) follow: Option<Follow>,
    pub(super) diary: Option<Diary>,
    pub(super) options: WatchOptions,
    /// The newest anchor of this boot: what the watch takes the time to be.
    pub(super) set: Option<AnchorRecord>,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            device_id: DeviceId(*b"simulated watch\0"),
            drift_ppm: 0,
            policy: SealPolicy::default(),
            max_credit: u16::MAX,
            clock: Clock::default(),
            age: Duration::ZERO,
            seed: 0,
        }
    }
}

impl SimWatch {
    /// Boots a watch with this flash, blank or from an earlier life.
    pub fn power_on(mut flash: Flash, options: WatchOptions) -> Self {
        flash.restore_power();
        let blank = Plate::new(options.device_id, new_log_id(options.seed, Boot(0), LogId(0)));
        let (plate, ring) = boot(&mut flash, blank);
        Self {
            clock: WatchClock::new(options.clock, options.drift_ppm, plate.boot, options.age),
            recorder: Recorder::new(options.policy),
            counts: Counts::default(),
            faults: Faults::default(),
            follow: None,
            diary: None,
            set: None,
            flash,
            plate,
            ring,
            options,
        }
    }

    /// The flash, as a power cut would leave it now.
    pub const fn flash(&self) -> &Flash {
        &self.flash
    }

    /// Who the watch is.
    pub const fn device_id(&self) -> DeviceId {
        self.plate.device_id
    }

    /// The present log.
    pub const fn log_id(&self) -> LogId {
        self.plate.log_id
    }

    /// The present boot.
    pub const fn boot(&self) -> Boot {
        self.plate.boot
    }

    /// The watch's clock, ms since boot.
    pub fn ticks_ms(&self) -> u64 {
        self.clock.ticks_ms()
    }

    /// When a tick truly was. `None` for a boot from before this simulation.
    pub fn true_time(&self, boot: Boot, ticks_us: u64) -> Option<UtcMicros> {
        self.clock.true_time(boot, ticks_us)
    }

    /// Pretends that the present boot began so long ago, on the watch's own clock. Call it before anything is recorded or
    /// anchored in this boot.
    pub fn set_age(&mut self, age: Duration) {
        self.clock.restart(self.plate.boot, age);
    }

    /// Records a sample. Its time is on the watch's own clock: the watch samples by its own ticks, so a drifting crystal never
    /// breaks the regular spacing of a stream.
    pub fn record(&mut self, stream: Stream, sample: Sample) {
        self.seal_due(sample.at_ms);
        if self.recorder.push(stream, sample) == Verdict::SealFirst {
            self.seal(stream);
            self.recorder.push(stream, sample);
        }
        self.counts.recorded += 1;
    }

    /// Records many samples, merged in the order of time.
    pub fn record_all(&mut self, samples: impl IntoIterator<Item = (Stream, Sample)>) {
        for (stream, sample) in samples {
            self.record(stream, sample);
        }
    }

    /// Seals every open block.
    pub fn seal_all(&mut self) {
        for stream in self.recorder.filled() {
            self.seal(stream);
        }
    }

    /// Seals the open blocks that are old enough at this tick.
    pub(super) fn seal_due(&mut self, now_ms: u64) {
        for stream in self.recorder.due(now_ms) {
            self.seal(stream);
        }
    }

    /// Puts an anchor into the log.
    pub(super) fn anchor(&mut self, setting: TimeSetting) {
        let ticks_us = self.clock.ticks_us();
        let record = AnchorRecord {
            ticks_us,
            utc_us: setting.utc_us,
            // The writing happened somewhere within the round trip.
            uncertainty_ms: setting.rtt_us.div_ceil(2 * 1_000),
            zone_offset_s: setting.zone_offset_s,
            source: setting.source,
        };
        let (seq, boot) = (self.ring.next(), self.plate.boot);
        let block = BlockHeader::opaque(seq, boot, ticks_us / 1_000, Stream::ANCHORS, &record.encode());
        self.append(&block);
        self.set = Some(record);
    }

    fn seal(&mut self, stream: Stream) {
        if let Some((block, _)) = self.recorder.seal(stream, self.ring.next(), self.plate.boot) {
            self.append(&block);
        }
    }

    pub(super) fn append(&mut self, block: &Bytes) {
        if let Some(diary) = &mut self.diary {
            diary.insert((self.plate.log_id, self.ring.next()), block.clone());
        }
        let overwritten = self.ring.append(&mut self.flash, block);
        self.counts.overwritten_blocks += overwritten.blocks;
        self.counts.overwritten_samples += overwritten.samples;
    }
}

/// A log id that differs from the one before.
pub(super) fn new_log_id(seed: u64, boot: Boot, old: LogId) -> LogId {
    let mut rng = Rng::with_seed(seed ^ (u64::from(boot.0) << 32));
    loop {
        let new = LogId(rng.u32(1..));
        if new != old {
            return new;
        }
    }
}
