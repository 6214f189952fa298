//! A watch on the virtual air, an outbox, and sessions between them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::measurement::Quality;
use nowbridge::outbox::Outbox;
use nowbridge::radio::air::{Air, AirCentral, AirLink, LinkModel};
use nowbridge::radio::{Central, PeerAddress};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::recording::generate;
use nowbridge::sim::watch::{Flash, SimWatch, WatchOptions};
use nowbridge::sync::{Outcome, Progress, SessionReport, collect};
use nowbridge::watch::{Bridge, Driver};
use nowbridge::wire::bridge::{LogId, Sample, Seq, Stream};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use super::tamper::{Tamper, Tampered};
use super::watch::{START, offered};

/// More flash than any story fills.
pub const ROOMY: usize = 512;

/// Where the watch is.
pub fn address() -> PeerAddress {
    PeerAddress("E7:00:00:00:00:02".into())
}

/// A watch that was on somebody's wrist for so long, everything still in its memory or flash.
pub fn worn_watch(length: Duration, ring_pages: usize, options: WatchOptions) -> SimWatch {
    let mut watch = SimWatch::power_on(Flash::blank(ring_pages), WatchOptions { age: length, ..options });
    let recording = generate(7, length);
    watch.record_all(recording.samples().map(|(stream, sample)| {
        (stream, Sample { at_ms: sample.at_ms, value: sample.value, quality: sample.quality })
    }));
    watch
}

/// A watch with so many hours of history.
pub fn worn_for(hours: u64) -> SimWatch {
    let options = WatchOptions { clock: Clock::simulated(START), ..WatchOptions::default() };
    worn_watch(Duration::from_hours(hours), ROOMY, options)
}

/// A watch within reach of a host with an outbox. It is 2025, and time runs with tokio's.
pub struct Scene {
    pub watch: WatchOnAir,
    pub air: Air,
    pub clock: Clock,
    pub outbox: Outbox,
    pub dir: TempDir,
}

impl Scene {
    /// A host that has never met this watch.
    pub async fn new(watch: SimWatch) -> Self {
        Self::over(LinkModel::fast_2m_15ms(), watch).await
    }

    /// The same over another kind of link.
    pub async fn over(model: LinkModel, watch: SimWatch) -> Self {
        let (air, watch, clock) = (Air::new(model), WatchOnAir::new(watch), Clock::simulated(START));
        air.place(address(), watch.clone());
        let dir = TempDir::new().unwrap();
        let outbox = Outbox::open(dir.path(), clock).await.unwrap();
        Self { watch, air, clock, outbox, dir }
    }

    /// From now on the watch is tampered with.
    pub fn tamper(&self, tamper: impl Tamper) {
        self.air.place(address(), Tampered { watch: self.watch.clone(), tamper });
    }

    /// From now on it is not.
    pub fn leave_alone(&self) {
        self.air.place(address(), self.watch.clone());
    }

    /// Sessions until one fetches everything.
    pub async fn persist(&self) -> SessionReport {
        for _ in 0..50 {
            let report = self.session().await;
            if report.outcome == Outcome::Complete {
                return report;
            }
        }
        panic!("fifty sessions, and none fetched everything");
    }

    /// Every block that the watch offers, by its own account.
    pub fn offered(&self) -> BTreeMap<Seq, Bytes> {
        self.watch.with(offered)
    }

    /// Records so many events, each sealed alone, of which none is like another.
    pub fn record_events(&self, count: u32) {
        self.watch.with(|watch| {
            let from_ms = watch.ticks_ms();
            for index in 0..u64::from(count) {
                let value = 1_000_000_000 + i32::try_from(index % 50).unwrap();
                watch
                    .record(Stream::EVENTS, Sample { at_ms: from_ms + index, value, quality: Quality::BEST });
                watch.seal_all();
            }
        });
    }

    /// A conversation with the watch.
    pub async fn bridge(&self) -> Bridge<AirLink> {
        let central = AirCentral::new(self.air.clone());
        let link = loop {
            match central.connect(&address()).await {
                // The last link may not have timed out yet.
                Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_secs(1)).await,
                link => break link.unwrap(),
            }
        };
        Bridge::open(link).await.unwrap()
    }

    /// One session from connect to close.
    pub async fn session(&self) -> SessionReport {
        let mut bridge = self.bridge().await;
        let (progress, _) = watch::channel(Progress::default());
        let report = collect(&mut bridge, &self.outbox, self.clock, &progress).await;
        bridge.close().await;
        report
    }

    /// One session that must fetch everything.
    pub async fn complete_session(&self) -> SessionReport {
        let report = self.session().await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
        report
    }

    /// What is in the database file, read around the outbox.
    pub fn stored(&self) -> Vec<StoredLog> {
        stored(self.dir.path())
    }

    /// The only log there is.
    pub fn stored_log(&self) -> StoredLog {
        let mut logs = self.stored();
        assert_eq!(logs.len(), 1, "{logs:?}");
        logs.remove(0)
    }
}

/// A log as it lies in the database file.
#[derive(Clone, Debug)]
pub struct StoredLog {
    pub log_id: LogId,
    pub era: u32,
    pub cursor: Seq,
    pub blocks: BTreeMap<Seq, Bytes>,
    /// Samples that the columns beside the blocks promise, anchors left out.
    pub samples: u64,
    /// First and last number, and the cause.
    pub gaps: Vec<(Seq, Seq, String)>,
}

/// The logs in the database file of `dir`, by plain SQL: a host's claims are not checked with the host's own code.
pub fn stored(dir: &std::path::Path) -> Vec<StoredLog> {
    let file = Connection::open_with_flags(dir.join("outbox.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut logs = file.prepare("SELECT id, log_id, era, cursor FROM log ORDER BY id").unwrap();
    let logs = logs.query_map([], |row| {
        let key: i64 = row.get(0)?;
        let mut blocks = file.prepare_cached("SELECT seq, body FROM block WHERE log = ?1")?;
        let blocks =
            blocks.query_map([key], |row| Ok((Seq(row.get(0)?), Bytes::from(row.get::<_, Vec<u8>>(1)?))))?;
        let mut gaps =
            file.prepare_cached("SELECT from_seq, to_seq, cause FROM gap WHERE log = ?1 ORDER BY from_seq")?;
        let gaps = gaps.query_map([key], |row| Ok((Seq(row.get(0)?), Seq(row.get(1)?), row.get(2)?)))?;
        let samples = "SELECT coalesce(sum(n), 0) FROM block WHERE log = ?1 AND stream <> 0";
        Ok(StoredLog {
            log_id: LogId(row.get(1)?),
            era: row.get(2)?,
            cursor: Seq(row.get(3)?),
            samples: file.query_row(samples, [key], |row| row.get::<_, i64>(0))?.cast_unsigned(),
            blocks: blocks.collect::<Result<_, _>>()?,
            gaps: gaps.collect::<Result<_, _>>()?,
        })
    });
    logs.unwrap().map(Result::unwrap).collect()
}

/// How fast a first session over `model` was.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// Bytes of blocks that were fetched.
    pub bytes: u64,
    /// Virtual time from the open link to the end of the session.
    pub took: Duration,
    /// The most that notifications can carry over this link, bytes a second.
    pub ceiling: f64,
}

impl Throughput {
    /// Bytes a second.
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64()
    }

    /// Of the link's ceiling, 0 to 1.
    pub fn share(&self) -> f64 {
        self.bytes_per_second() / self.ceiling
    }
}

/// Collects everything from a watch that was never met. Needs a paused clock.
pub async fn measure_first_session(model: LinkModel, watch: SimWatch) -> Throughput {
    let scene = Scene::over(model, watch).await;
    let mut bridge = scene.bridge().await;
    let (progress, _) = watch::channel(Progress::default());
    let start = Instant::now();
    let report = collect(&mut bridge, &scene.outbox, scene.clock, &progress).await;
    let took = start.elapsed();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    let bytes = scene.stored_log().blocks.values().map(|block| block.len() as u64).sum();
    Throughput { bytes, took, ceiling: model.ceiling_bytes_per_second() }
}
