//! The soak: a day in which the link breaks, the cloud refuses, the watch and the host start anew, and the host's clock is set, wrong and
//! right again. At its end the cloud holds exactly what was measured in the boots that a clock could date.
//!
//! `NOWBRIDGE_SLOW=1` lives ten times as many days; `NOWBRIDGE_SEED=123` lives that one alone.

use std::time::Duration;

use fastrand::Rng;
use nowbridge::clock::Synchrony;
use nowbridge::measurement::UtcMicros;
use nowbridge::radio::Central;
use nowbridge::radio::air::{AirCentral, Faults, LinkModel};
use nowbridge::sync::{Progress, collect};
use nowbridge::upload::UploadState;
use nowbridge::watch::{Bridge, Driver};
use nowbridge::wire::bridge::TimeSource;
use tokio::sync::watch;
use tokio::time::Instant;

use super::night::{HOUR_US, MINUTE, Night};
use crate::support::memory_cloud::{Verdict, answer};
use crate::support::sync::address;
use crate::support::upload::{Held, Loop};

const DAYS: u64 = 20;
const DAYS_IN_THE_SLOW_TIER: u64 = 200;
const DAY: Duration = Duration::from_hours(24);

/// Tells how to repeat a day that ended badly.
struct Epitaph(u64);

impl Drop for Epitaph {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("This was day {seed}; NOWBRIDGE_SEED={seed} repeats it.", seed = self.0);
        }
    }
}

struct Day {
    night: Night,
    uploading: Option<Loop>,
    rng: Rng,
    /// By how much the host's clock is off now.
    off_us: i64,
}

impl Day {
    async fn begin(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let model = if rng.bool() { LinkModel::fast_2m_15ms() } else { LinkModel::slow_1m_30ms() };
        let night = Night::over(model, 0, Synchrony::Synchronised, rng.u64(..)).await;
        let uploading = Loop::start(night.cloud.clone(), &night.scene.outbox);
        Self { night, uploading: Some(uploading), rng, off_us: 0 }
    }

    async fn pass(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < DAY {
            let (rest, wear) = (self.rng.u64(0..40), self.rng.u64(60..600));
            self.night.rest(MINUTE * u32::try_from(rest).unwrap()).await;
            self.night.wear(Duration::from_secs(wear)).await;
            match self.rng.u8(..20) {
                0..=10 => self.visit().await,
                11 => self.reboot(),
                12 => self.restart_host().await,
                13 | 14 => self.disturb_cloud(),
                15..=17 => self.disturb_clock(),
                _ => self.mend_clock(),
            }
            self.uploading.iter().for_each(Loop::wake);
        }
    }

    /// A session, whatever becomes of it.
    async fn visit(&mut self) {
        let mut chance = |most: f64| if self.rng.bool() { 0.0 } else { self.rng.f64() * most };
        let faults = Faults {
            drop_link: chance(0.02),
            lose_notification: chance(0.05),
            corrupt_notification: chance(0.05),
            connect_fails: chance(0.2),
            hang: chance(0.02),
            seed: self.rng.u64(..),
        };
        self.night.scene.air.set_faults(faults);
        let scene = &self.night.scene;
        let Ok(link) = AirCentral::new(scene.air.clone()).connect(&address()).await else { return };
        let Ok(mut bridge) = Bridge::open(link).await else { return };
        let (progress, _) = watch::channel(Progress::default());
        collect(&mut bridge, &scene.outbox, scene.clock, &progress).await;
        bridge.close().await;
    }

    /// The watch starts anew; a phone may tell it the time before anything else happens, right or wrong.
    fn reboot(&mut self) {
        self.night.reboot();
        match self.rng.u8(..3) {
            0 => self.night.set_watch(self.night.truth(), TimeSource::Network),
            1 => self.night.set_watch(UtcMicros(946_684_800_000_000), TimeSource::Manual),
            _ => {}
        }
    }

    async fn restart_host(&mut self) {
        let uploading = self.uploading.take().expect("it runs");
        uploading.stop().await;
        self.night.restart_host().await;
        self.uploading = Some(Loop::start(self.night.cloud.clone(), &self.night.scene.outbox));
    }

    fn disturb_cloud(&mut self) {
        let (mut rng, share) = (self.rng.fork(), self.rng.f64());
        self.night.cloud.judge(move |_| match rng.u8(..4) {
            _ if rng.f64() > share => Verdict::Take,
            0 => Verdict::Lose,
            1 => Verdict::Refuse(answer(429, "slow down")),
            _ => Verdict::Refuse(answer(503, "down for maintenance")),
        });
    }

    /// The clock is set wrong, and the system knows that it is not synchronised; or it is right, and nobody knows.
    fn disturb_clock(&mut self) {
        self.mend_clock();
        if self.rng.u8(..3) == 0 {
            self.night.host.say(Synchrony::Unknown);
            return;
        }
        self.night.host.say(Synchrony::Unsynchronised);
        let back = self.night.scene.clock.now().0;
        self.off_us = match self.rng.u8(..3) {
            0 => -back + 5_000_000,
            1 => -self.rng.i64(1..14 * 24) * HOUR_US,
            _ => self.rng.i64(1..30) * HOUR_US / 2,
        };
        self.night.host.step(self.off_us);
    }

    fn mend_clock(&mut self) {
        self.night.host.step(-std::mem::take(&mut self.off_us));
        self.night.host.say(Synchrony::Synchronised);
    }

    /// Everything is well at last, and the reckoning.
    async fn end(mut self) {
        self.mend_clock();
        self.night.cloud.judge(|_| Verdict::Take);
        self.night.scene.air.set_faults(Faults::default());
        // Longer than any call to the radio, and than any wait that the cloud has earned.
        self.night.rest(20 * MINUTE).await;
        self.night.scene.complete_session().await;
        let mut uploading = self.uploading.take().expect("it runs");
        uploading.wake();
        uploading.until(|status| status.state == UploadState::Idle).await;
        uploading.idle_again().await;
        let dated: Vec<_> = self.night.anchors().await.iter().map(|anchor| anchor.boot).collect();
        let boots = &self.night.by_boot;
        let expected: Held = boots
            .iter()
            .filter(|(boot, _)| dated.contains(boot))
            .flat_map(|(_, rows)| rows.clone())
            .collect();
        assert!(expected.len() > 1_000, "this day was too quiet: {}", expected.len());
        super::night::differs(&self.night.cloud.held(), &expected);
    }
}

fn live(seed: u64) {
    let _epitaph = Epitaph(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut day = Day::begin(seed).await;
        day.pass().await;
        day.end().await;
    });
}

/// Lives a quarter of the days.
fn live_quarter(quarter: u64) {
    if let Ok(seed) = std::env::var("NOWBRIDGE_SEED") {
        return live(seed.parse().expect("NOWBRIDGE_SEED is a number"));
    }
    let slow = std::env::var_os("NOWBRIDGE_SLOW").is_some();
    let days = if slow { DAYS_IN_THE_SLOW_TIER } else { DAYS } / 4;
    (quarter * days..(quarter + 1) * days).for_each(live);
}

#[test]
fn in_the_first_quarter_of_days() {
    live_quarter(0);
}

#[test]
fn in_the_second_quarter_of_days() {
    live_quarter(1);
}

#[test]
fn in_the_third_quarter_of_days() {
    live_quarter(2);
}

#[test]
fn in_the_fourth_quarter_of_days() {
    live_quarter(3);
}
