//! A full disk, from inside: only here can a database be kept from growing.

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Kept, Listening, listen};
use crate::clock::Clock;
use crate::measurement::{Quality, UtcMicros};
use crate::outbox::{Limits, Outbox};
use crate::radio::{LinkClosed, NoRadio, RadioError};
use crate::sync::{Outcome, SessionReport};
use crate::watch::{Abilities, Driver, DriverName, Identity, Live, LiveSample, WatchError};
use crate::wire::bridge::{DeviceId, RawBlock, Sample, Seq, Stream};

const WATCH: DeviceId = DeviceId([3; 16]);
/// 2025-11-22 16:00:00 UTC.
const NOW: UtcMicros = UtcMicros(1_763_827_200_000_000);

/// Tells a heart rate every second until its link is lost.
struct Heart {
    left: u32,
    next_at: Instant,
}

impl Heart {
    fn beating(seconds: u32) -> Self {
        Self { left: seconds, next_at: Instant::now() + Duration::from_secs(1) }
    }
}

impl Driver for Heart {
    type Link = NoRadio;

    const NAME: DriverName = DriverName::Sensor;

    fn fits(link: &NoRadio) -> bool {
        match *link {}
    }

    async fn open(link: NoRadio) -> Result<Self, WatchError> {
        match link {}
    }

    fn link(&self) -> &NoRadio {
        unreachable!("nobody asks a driver without a radio for its link")
    }

    fn abilities(&self) -> Abilities {
        Abilities::LIVE
    }

    async fn identify(&mut self) -> Result<Identity, WatchError> {
        Ok(Identity::default())
    }

    async fn check(&mut self) -> Result<(), WatchError> {
        Ok(())
    }

    async fn close(self) {}
}

impl Live for Heart {
    async fn greet(&mut self, _clock: Clock) -> Result<(), WatchError> {
        Ok(())
    }

    async fn next(&mut self) -> Result<Vec<LiveSample>, WatchError> {
        if self.left == 0 {
            return Err(RadioError::from(LinkClosed::Lost).into());
        }
        sleep_until(self.next_at).await;
        (self.next_at, self.left) = (self.next_at + Duration::from_secs(1), self.left - 1);
        let value = 60 + (self.left % 50).cast_signed();
        let quality = Quality::GOOD;
        Ok(vec![LiveSample { stream: Stream::HEART_RATE, at: Instant::now(), value, quality }])
    }

    fn unreadable(&self) -> u64 {
        0
    }

    fn battery(&self) -> Option<u8> {
        None
    }
}

async fn heard(kept: &mut Kept, seconds: u32) -> (SessionReport, Listening) {
    let (told, seen) = watch::channel(Listening::default());
    let (mut heart, identity, stop) =
        (Heart::beating(seconds), Identity::default(), CancellationToken::new());
    let report = listen(&mut heart, WATCH, &identity, kept, &told, &stop).await;
    (report, *seen.borrow())
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_for_half_an_hour_costs_nothing() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    let mut kept = Kept::new(outbox.clone(), clock);
    let disk = async {
        sleep(Duration::from_secs(5)).await;
        outbox.limit_pages(1).await;
        sleep(Duration::from_mins(40)).await;
        let stored = outbox.logs().await.unwrap()[0].cursor;
        outbox.limit_pages(u32::MAX >> 1).await;
        stored
    };
    let ((report, told), stored_meanwhile) = tokio::join!(heard(&mut kept, 2_700), disk);
    assert!(stored_meanwhile < Seq(200), "the disk was never full: {stored_meanwhile}");
    assert!(matches!(report.outcome, Outcome::Failed { transient: true, .. }), "{report:?}");
    assert_eq!((told.samples, told.stored, report.rejected), (2_700, 2_700, 0));
    assert_eq!((report.fetched, report.fetched), (report.new, u64::from(report.cursor.0)));

    let samples = stored(&outbox).await;
    assert!(samples.windows(2).all(|pair| (1_000..=1_002).contains(&(pair[1].at_ms - pair[0].at_ms))));
    assert_eq!(values(&samples), told_in(2_700));
}

/// A disk that is full from five seconds on, until a session has ended with its link.
async fn full_at_the_end(outbox: &Outbox, kept: &mut Kept, seconds: u32) -> (SessionReport, Listening) {
    let disk = async {
        sleep(Duration::from_secs(5)).await;
        outbox.limit_pages(1).await;
    };
    let (heard, ()) = tokio::join!(heard(kept, seconds), disk);
    heard
}

#[tokio::test(start_paused = true)]
async fn what_a_full_disk_refuses_outlives_the_session() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    let mut kept = Kept::new(outbox.clone(), clock);
    let (report, told) = full_at_the_end(&outbox, &mut kept, 2_700).await;
    let Outcome::Failed { reason, transient: true, .. } = &report.outcome else { panic!("{report:?}") };
    let waiting = told.samples - told.stored;
    assert!(waiting > 1_000, "the disk was never full: {told:?}");
    assert!(reason.starts_with(&format!("{waiting} samples are not stored yet and wait in memory: ")));
    assert!(reason.contains("is full"), "{reason}");
    assert_eq!((kept.samples(), report.rejected), (waiting, 0));

    // Nobody is connected when there is room again.
    let saved = Notify::new();
    let room = async {
        sleep(Duration::from_mins(1)).await;
        outbox.limit_pages(u32::MAX >> 1).await;
        saved.notified().await;
    };
    tokio::select! {
        never = kept.keep_saving(&saved) => match never {},
        () = room => {}
    }
    assert_eq!(kept.samples(), 0);
    assert_eq!(values(&stored(&outbox).await), told_in(2_700));
}

#[tokio::test(start_paused = true)]
async fn the_next_session_goes_on_behind_what_waits() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    let mut kept = Kept::new(outbox.clone(), clock);
    full_at_the_end(&outbox, &mut kept, 2_700).await;
    assert!(kept.samples() > 1_000);
    heard(&mut kept, 100).await;
    assert!(kept.samples() > 1_100);
    outbox.limit_pages(u32::MAX >> 1).await;
    heard(&mut kept, 100).await;
    let all = [told_in(2_700), told_in(100), told_in(100)].concat();
    assert_eq!((kept.samples(), values(&stored(&outbox).await)), (0, all));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_at_the_very_end_is_counted() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    let mut kept = Kept::new(outbox.clone(), clock);
    let (_, told) = full_at_the_end(&outbox, &mut kept, 2_700).await;
    assert!(told.stored < told.samples, "the disk was never full: {told:?}");
    assert_eq!(kept.close(Duration::from_secs(4)).await, told.samples - told.stored);
}

#[tokio::test(start_paused = true)]
async fn numbers_that_somebody_else_used_are_given_up() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    let (mut one, mut other) = (Kept::new(outbox.clone(), clock), Kept::new(outbox.clone(), clock));
    let ((first, _), (second, _)) = tokio::join!(heard(&mut one, 100), heard(&mut other, 130));
    for report in [first, second] {
        let Outcome::Failed { reason, .. } = report.outcome else { panic!() };
        assert!(reason.contains("link"), "{reason}");
    }
    assert_eq!((one.samples(), other.samples(), stored(&outbox).await.len()), (0, 0, 230));
}

/// What a heart tells that beats for so long.
fn told_in(seconds: u32) -> Vec<i32> {
    (0..seconds).rev().map(|left| 60 + (left % 50).cast_signed()).collect()
}

fn values(samples: &[Sample]) -> Vec<i32> {
    samples.iter().map(|sample| sample.value).collect()
}

async fn stored(outbox: &Outbox) -> Vec<Sample> {
    let log = outbox.logs().await.unwrap()[0];
    let blocks = outbox.blocks(log.key, Stream::HEART_RATE, Seq(0)..=Seq(u32::MAX), u32::MAX).await.unwrap();
    let samples =
        blocks.into_iter().flat_map(|block| RawBlock::parse(block.body).unwrap().samples().unwrap());
    samples.collect()
}

/// Listens for so many milliseconds and looks often. The most samples that waited, and those that were heard.
async fn listened(outbox: &Outbox, clock: Clock, ms: u64, stop: &CancellationToken) -> (u64, Listening) {
    let (told, seen) = watch::channel(Listening::default());
    let (mut heart, identity) = (Heart::beating(u32::MAX), Identity::default());
    let mut kept = Kept::new(outbox.clone(), clock);
    let session = listen(&mut heart, WATCH, &identity, &mut kept, &told, stop);
    let look = async {
        let (mut most, until) = (0, Instant::now() + Duration::from_millis(ms));
        while Instant::now() < until {
            sleep(Duration::from_millis(700)).await;
            let seen = *seen.borrow();
            most = most.max(seen.samples - seen.stored);
        }
        most
    };
    // Whoever is not told to stop is dropped in the middle, as a process is that loses its power.
    let most = tokio::select! {
        _ = session => panic!("a heart beats for ever"),
        most = look => most,
    };
    let told = *seen.borrow();
    (most, told)
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_costs_ten_seconds_or_a_minute_to_spare_the_card() {
    for (wear_saver, most) in [(false, 10), (true, 60)] {
        // At different moments of the wait for a commit.
        for ms in [70_000, 93_100, 118_000] {
            let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
            let limits = Limits { wear_saver, ..Limits::default() };
            let open = async || {
                Outbox::open_limited(Outbox::claim(dir.path()).await.unwrap(), clock, limits).await.unwrap()
            };
            let outbox = open().await;
            let (waited, heard) = listened(&outbox, clock, ms, &CancellationToken::new()).await;
            assert!((most - 2..=most + 1).contains(&waited), "{waited} samples waited at {ms} ms");
            outbox.close().await.unwrap();
            let kept = stored(&open().await).await.len() as u64;
            assert!(heard.samples - kept <= most + 1, "{kept} of {} are there", heard.samples);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_costs_nothing_whatever_the_card_is_spared() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let limits = Limits { wear_saver: true, ..Limits::default() };
    let lock = Outbox::claim(dir.path()).await.unwrap();
    let outbox = Outbox::open_limited(lock, clock, limits).await.unwrap();
    let (told, seen) = watch::channel(Listening::default());
    let (mut heart, identity, stop) =
        (Heart::beating(u32::MAX), Identity::default(), CancellationToken::new());
    let mut kept = Kept::new(outbox.clone(), clock);
    let session = listen(&mut heart, WATCH, &identity, &mut kept, &told, &stop);
    let end = async {
        sleep(Duration::from_secs(45)).await;
        assert_eq!(seen.borrow().stored, 0);
        stop.cancel();
    };
    let (report, ()) = tokio::join!(session, end);
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!(stored(&outbox).await.len() as u64, seen.borrow().samples);
    assert!(seen.borrow().samples >= 44);
}
