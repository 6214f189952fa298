//! A watch on a wrist, a host whose clock may be wrong, and a cloud.
//!
//! The watch takes a heart rate every second, in the middle of the second, so that the round trip of a comparison moves nothing into
//! another one. The truth is the watch's own: it knows when each boot was.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use nowbridge::clock::{SimulatedHost, Synchrony};
use nowbridge::measurement::{Kind, Quality, UtcMicros};
use nowbridge::outbox::{Anchor, AnchorSource, ExportQuery, Outbox};
use nowbridge::radio::air::{Air, LinkModel};
use nowbridge::sim::WatchOnAir;
use nowbridge::wire::bridge::{Boot, LogStore, Sample, Stream, TimeSetting, TimeSource};
use tempfile::TempDir;

use crate::support::memory_cloud::MemoryCloud;
use crate::support::sync::{ROOMY, Scene, address};
use crate::support::upload::{Held, Loop};
use crate::support::watch::{START, watch};

pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);
pub const HOUR_US: i64 = 3_600_000_000;
pub const DAY_US: i64 = 24 * HOUR_US;

/// A night.
pub struct Night {
    pub scene: Scene,
    pub host: &'static SimulatedHost,
    pub cloud: MemoryCloud,
    /// What the cloud should hold once everything has arrived.
    pub expected: Held,
    /// The same by boot.
    pub by_boot: BTreeMap<Boot, Held>,
    /// The next sample, ms of the present boot.
    next_ms: Option<u64>,
    rng: Rng,
}

impl Night {
    /// It is [`START`], and the host's clock is off by so much.
    pub async fn begin(off_us: i64, synchrony: Synchrony) -> Self {
        Self::over(LinkModel::fast_2m_15ms(), off_us, synchrony, 1).await
    }

    pub async fn over(model: LinkModel, off_us: i64, synchrony: Synchrony, seed: u64) -> Self {
        let (air, watch) = (Air::new(model), WatchOnAir::new(watch(ROOMY)));
        air.place(address(), watch.clone());
        let (clock, host) = SimulatedHost::at(UtcMicros(START.0 + off_us), synchrony);
        let dir = TempDir::new().unwrap();
        let outbox = Outbox::open(dir.path(), clock).await.unwrap();
        let scene = Scene { watch, air, clock, outbox, dir };
        let (cloud, rng) = (MemoryCloud::new(), Rng::with_seed(seed));
        Self { scene, host, cloud, expected: Held::new(), by_boot: BTreeMap::new(), next_ms: None, rng }
    }

    /// Time passes, and the watch is worn.
    pub async fn wear(&mut self, length: Duration) {
        tokio::time::sleep(length).await;
        let (rng, next_ms) = (&mut self.rng, &mut self.next_ms);
        let (boot, taken) = self.scene.watch.with(|watch| {
            let (boot, now_ms) = (watch.boot(), watch.ticks_ms());
            let booted_ms = watch.true_time(boot, 0).unwrap().millis();
            // The first sample of a boot is where its second is half over.
            let first_ms = (1_500 - booted_ms.rem_euclid(1_000)).rem_euclid(1_000).cast_unsigned();
            let mut taken = Vec::new();
            for at_ms in (next_ms.unwrap_or(first_ms)..now_ms).step_by(1_000) {
                let sample = Sample { at_ms, value: rng.i32(48..180), quality: Quality::BEST };
                watch.record(Stream::HEART_RATE, sample);
                taken.push(((booted_ms + at_ms.cast_signed()).div_euclid(1_000), sample.value));
                *next_ms = Some(at_ms + 1_000);
            }
            (boot, taken)
        });
        let row = |(second, value): (i64, i32)| ((Kind::HeartRate, second), (value.to_string(), Some(4)));
        let rows: Held = taken.into_iter().map(row).collect();
        self.by_boot.entry(boot).or_default().extend(rows.clone());
        self.expected.extend(rows);
    }

    /// Time passes, and the watch lies about.
    pub async fn rest(&mut self, length: Duration) {
        tokio::time::sleep(length).await;
        let skipped = length.as_millis() as u64 / 1_000 * 1_000;
        self.next_ms = self.next_ms.map(|next_ms| next_ms + skipped);
    }

    /// The host's process ends and begins; what it remembers is on the disk.
    pub async fn restart_host(&mut self) {
        self.scene.outbox.clone().close().await.unwrap();
        self.scene.outbox = Outbox::open(self.scene.dir.path(), self.scene.clock).await.unwrap();
    }

    /// The watch starts anew; what it has taken is in its flash.
    pub fn reboot(&mut self) {
        let rng = &mut self.rng;
        self.scene.watch.with(|watch| {
            watch.seal_all();
            watch.power_cut(rng);
        });
        self.next_ms = None;
    }

    /// Somebody else sets the watch's clock.
    pub fn set_watch(&self, utc: UtcMicros, source: TimeSource) {
        let utc_us = utc.0.cast_unsigned();
        self.scene
            .watch
            .with(|watch| watch.set_time(TimeSetting { utc_us, rtt_us: 40_000, zone_offset_s: 0, source }));
    }

    /// What time it truly is.
    pub fn truth(&self) -> UtcMicros {
        self.scene.watch.with(|watch| watch.true_time(watch.boot(), watch.ticks_ms() * 1_000)).unwrap()
    }

    /// Everything that has a date goes to the cloud.
    pub async fn send(&self) {
        let mut uploading = Loop::start(self.cloud.clone(), &self.scene.outbox);
        uploading.idle().await;
        assert_eq!(uploading.status().dead, 0);
        uploading.stop().await;
    }

    /// A session that fetches everything, and everything sent that can be.
    pub async fn session_and_send(&self) {
        self.scene.complete_session().await;
        self.send().await;
    }

    /// The cloud holds what was measured, and nothing else.
    pub fn check(&self) {
        differs(&self.cloud.held(), &self.expected);
    }

    /// Whoever exports it sees the same dates.
    pub async fn check_export(&self) {
        let mut exporter = self.scene.outbox.export(ExportQuery::default()).await.unwrap();
        let mut seen = 0;
        while let Some(page) = exporter.next_page().await.unwrap() {
            for row in page.rows {
                let at = row.at.expect("everything has a date").seconds().0;
                let measured = self.expected.get(&(Kind::HeartRate, at)).map(|(value, _)| value.as_str());
                assert_eq!(measured, Some(row.value.to_string().as_str()), "at {at}");
                seen += 1;
            }
        }
        assert_eq!(seen, self.expected.len());
    }

    /// The anchors that count.
    pub async fn anchors(&self) -> Vec<Anchor> {
        let log = self.scene.outbox.logs().await.unwrap()[0];
        let anchors = self.scene.outbox.anchors(log.key, None).await.unwrap();
        anchors.into_iter().map(|(_, anchor)| anchor).collect()
    }

    pub async fn sources(&self) -> Vec<AnchorSource> {
        self.anchors().await.iter().map(|anchor| anchor.source).collect()
    }
}

/// Panics at the first difference, instead of showing thousands of rows.
pub fn differs(held: &Held, expected: &Held) {
    let missing = expected.iter().find(|(row, value)| held.get(row) != Some(value));
    let extra = held.keys().find(|row| !expected.contains_key(row));
    assert!(
        missing.is_none() && extra.is_none(),
        "of {} rows the cloud holds {}; first missing or other: {missing:?}, first extra: {extra:?}",
        expected.len(),
        held.len(),
    );
}
