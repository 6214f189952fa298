//! One life: what befalls a watch and its host, by the dice.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use fastrand::Rng;
use nowbridge::clock::Clock;
use nowbridge::measurement::Quality;
use nowbridge::outbox::{Outbox, OutboxError};
use nowbridge::radio::Central;
use nowbridge::radio::air::{Air, AirCentral, Faults, LinkModel};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::watch::{Flash, SealPolicy, SimWatch, WatchOptions};
use nowbridge::sync::{Outcome, Progress, SessionReport, collect};
use nowbridge::watch::{Bridge, Driver};
use nowbridge::wire::bridge::{Boot, LogId, LogStore, Sample, Seq, Stream};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Tally, reckoning};
use crate::support::sync::{address, stored};
use crate::support::watch::START;

/// Longer than any call to the radio or supervision timeout takes.
const QUIET: Duration = Duration::from_mins(1);

pub struct Life {
    rng: Rng,
    watch: WatchOnAir,
    air: Air,
    clock: Clock,
    dir: TempDir,
    outbox: Option<Outbox>,
    /// The boot that is recorded in, and its time.
    now: (Boot, u64),
    /// The logs that a factory reset has ended, each with the oldest block it still had.
    wiped: BTreeMap<LogId, Seq>,
    tally: Tally,
}

/// What happens in the middle of a session.
enum Trouble {
    None,
    /// The host stops at this poll of the session, between any two steps of it.
    CrashAtPoll(u32),
    CrashAfter(Duration),
    PowerCutAfter(Duration),
    ResetAfter(Duration),
    RecordAfter(Duration),
}

impl Life {
    pub fn begin(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let ring_pages = *rng.choice(&[2, 2, 3, 5, 64]).unwrap();
        let options = WatchOptions {
            clock: Clock::simulated(START),
            drift_ppm: rng.i32(-50..=50),
            policy: if rng.bool() { SealPolicy::Packed } else { SealPolicy::Bounded },
            max_credit: *rng.choice(&[1, 300, 2_048, 16_384, u16::MAX]).unwrap(),
            seed,
            ..WatchOptions::default()
        };
        let mut watch = SimWatch::power_on(Flash::blank(ring_pages), options);
        watch.keep_diary();
        let fast = LinkModel::fast_2m_15ms();
        let model = *rng.choice(&[fast, LinkModel { mtu: 23, ..fast }, LinkModel::slow_1m_30ms()]).unwrap();
        let (air, watch, clock) = (Air::new(model), WatchOnAir::new(watch), Clock::simulated(START));
        air.place(address(), watch.clone());
        let now = (Boot(0), 0);
        let (dir, wiped) = (TempDir::new().unwrap(), BTreeMap::new());
        Self { rng, watch, air, clock, dir, outbox: None, now, wiped, tally: Tally::default() }
    }

    pub async fn unfold(&mut self) {
        for _ in 0..self.rng.u8(8..16) {
            match self.rng.u8(..40) {
                0..=14 => self.record(),
                15..=32 => self.session().await,
                33..=36 => self.cut_power(),
                37 | 38 => sleep(Duration::from_secs(self.rng.u64(..100_000))).await,
                _ => self.reset(),
            }
        }
    }

    /// One session without trouble, and the reckoning.
    pub async fn settle(mut self) -> Tally {
        self.air.set_faults(Faults::default());
        sleep(QUIET).await;
        let outbox = self.outbox().await;
        let report = host(self.air.clone(), outbox, self.clock).await.expect("the watch is there");
        assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
        self.check_acknowledged();
        let logs = stored(self.dir.path());
        let (blocks, overwritten, burned) =
            self.watch.with(|watch| reckoning::reckon(watch, &self.wiped, &logs));
        Tally { blocks, overwritten, burned, ..self.tally }
    }

    async fn session(&mut self) {
        let faults = self.faults();
        self.air.set_faults(faults);
        let trouble = self.trouble();
        let outbox = self.outbox().await;
        let mut host = pin!(host(self.air.clone(), outbox, self.clock));
        let report = match trouble {
            Trouble::None => host.await,
            Trouble::CrashAtPoll(polls) => AtMost { polls, future: host }.await.flatten(),
            Trouble::CrashAfter(after) => tokio::time::timeout(after, host).await.ok().flatten(),
            Trouble::PowerCutAfter(after) | Trouble::ResetAfter(after) | Trouble::RecordAfter(after) => {
                tokio::select! {
                    report = &mut host => report,
                    () = sleep(after) => {
                        match trouble {
                            Trouble::PowerCutAfter(_) => {
                                self.tally.cuts_in_a_session += 1;
                                self.cut_power();
                            }
                            Trouble::ResetAfter(_) => self.reset(),
                            _ => self.record(),
                        }
                        host.await
                    }
                }
            }
        };
        self.tally.sessions += 1;
        self.tally.complete += u64::from(report.is_some_and(|report| report.outcome == Outcome::Complete));
        if matches!(trouble, Trouble::CrashAtPoll(_) | Trouble::CrashAfter(_)) {
            self.tally.crashes += 1;
            self.outbox = None;
        }
        self.check_acknowledged();
    }

    /// The watch was told of nothing that is not on the disk.
    fn check_acknowledged(&self) {
        let info = self.watch.with(|watch| watch.info());
        let logs = stored(self.dir.path());
        let cursor = logs.iter().find(|log| log.log_id == info.log_id).map_or(Seq(0), |log| log.cursor);
        assert!(info.acked <= cursor, "the watch was told {} is safe, and we are at {cursor}", info.acked);
    }

    /// The host's outbox, opened again after a crash.
    async fn outbox(&mut self) -> Outbox {
        if self.outbox.is_none() {
            self.outbox = Some(open(self.dir.path(), self.clock).await);
        }
        self.outbox.clone().expect("it was opened just now")
    }

    fn record(&mut self) {
        let boot = self.watch.with(|watch| watch.boot());
        if self.now.0 != boot {
            self.now = (boot, 0);
        }
        let kind = self.rng.u8(..4);
        let count = self.rng.u32(1..[3_000, 300, 4_000, 6_000][usize::from(kind)]);
        for _ in 0..count {
            // Beats; events that are each sealed alone; noise, which does not pack; and heart rate.
            let (stream, value, gap_ms) = match kind {
                0 => (Stream::BEATS, self.rng.i32(400..1_400), None),
                1 => (Stream::EVENTS, self.rng.i32(..4), Some(self.rng.u64(1..50_000))),
                2 => (Stream::EDA, self.rng.i32(-9_999_999..9_999_999), Some(5_000)),
                _ => (Stream::HEART_RATE, self.rng.i32(58..75), Some(1_000)),
            };
            self.now.1 += gap_ms.unwrap_or(value as u64);
            let quality = if self.rng.u8(..50) == 0 { Quality::UNRELIABLE } else { Quality::BEST };
            let sample = Sample { at_ms: self.now.1, value, quality };
            self.watch.with(|watch| {
                watch.record(stream, sample);
                if kind == 1 {
                    watch.seal_all();
                }
            });
        }
    }

    fn cut_power(&mut self) {
        self.watch.power_cut(&mut self.rng);
    }

    fn reset(&mut self) {
        self.tally.resets += 1;
        self.watch.with(|watch| {
            let info = watch.info();
            self.wiped.insert(info.log_id, info.tail);
            watch.factory_reset();
        });
    }

    fn faults(&mut self) -> Faults {
        let mut chance = |most: f64| if self.rng.bool() { 0.0 } else { self.rng.f64() * most };
        Faults {
            drop_link: chance(0.02),
            lose_notification: chance(0.06),
            corrupt_notification: chance(0.06),
            connect_fails: chance(0.2),
            hang: chance(0.03),
            seed: self.rng.u64(..),
        }
    }

    fn trouble(&mut self) -> Trouble {
        // Connecting takes 400 ms, a session of a few hundred blocks a second or two.
        let most = if self.rng.bool() { 1_200 } else { 3_200 };
        let after = Duration::from_millis(self.rng.u64(400..most));
        match self.rng.u8(..20) {
            0..=5 => Trouble::None,
            6..=10 => Trouble::CrashAtPoll(self.rng.u32(1..250)),
            11 => Trouble::CrashAfter(after),
            12..=15 => Trouble::PowerCutAfter(after),
            16 => Trouble::ResetAfter(after),
            _ => Trouble::RecordAfter(after),
        }
    }
}

/// One visit to the watch. `None` if it does not answer.
async fn host(air: Air, outbox: Outbox, clock: Clock) -> Option<SessionReport> {
    let link = AirCentral::new(air).connect(&address()).await.ok()?;
    let mut bridge = Bridge::open(link).await.ok()?;
    let (progress, _) = watch::channel(Progress::default());
    let report = collect(&mut bridge, &outbox, clock, &progress).await;
    bridge.close().await;
    Some(report)
}

/// Opens the outbox; what a crashed host had given to the disk is waited for, as the kernel would see to it.
async fn open(dir: &Path, clock: Clock) -> Outbox {
    loop {
        match Outbox::open(dir, clock).await {
            Err(OutboxError::InUse { .. }) => tokio::task::yield_now().await,
            opened => return opened.unwrap(),
        }
    }
}

/// A future that is given up after so many polls.
struct AtMost<F> {
    polls: u32,
    future: F,
}

impl<F: Future + Unpin> Future for AtMost<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        Pin::new(&mut self.future).poll(context).map(Some)
    }
}
