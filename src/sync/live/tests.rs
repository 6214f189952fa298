//! A full disk, from inside: only here can a database be kept from growing.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Listening, listen};
use crate::clock::Clock;
use crate::measurement::{Quality, UtcMicros};
use crate::outbox::Outbox;
use crate::radio::{LinkClosed, NoRadio, RadioError};
use crate::sync::{Outcome, SessionReport};
use crate::watch::{Abilities, Driver, DriverName, Identity, Live, LiveSample, WatchError};
use crate::wire::bridge::{DeviceId, RawBlock, Seq, Stream};

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

async fn heard(outbox: &Outbox, clock: Clock, seconds: u32) -> (SessionReport, Listening) {
    let (told, seen) = watch::channel(Listening::default());
    let (mut heart, identity, stop) =
        (Heart::beating(seconds), Identity::default(), CancellationToken::new());
    let report = listen(&mut heart, WATCH, &identity, outbox, clock, &told, &stop).await;
    (report, *seen.borrow())
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_for_half_an_hour_costs_nothing() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    let disk = async {
        sleep(Duration::from_secs(5)).await;
        outbox.limit_pages(1).await;
        sleep(Duration::from_mins(40)).await;
        let stored = outbox.logs().await.unwrap()[0].cursor;
        outbox.limit_pages(u32::MAX >> 1).await;
        stored
    };
    let ((report, told), stored_meanwhile) = tokio::join!(heard(&outbox, clock, 2_700), disk);
    assert!(stored_meanwhile < Seq(200), "the disk was never full: {stored_meanwhile}");
    assert!(matches!(report.outcome, Outcome::Failed { transient: true, .. }), "{report:?}");
    assert_eq!((told.samples, told.stored, report.rejected), (2_700, 2_700, 0));
    assert_eq!((report.fetched, report.fetched), (report.new, u64::from(report.cursor.0)));

    let log = outbox.logs().await.unwrap()[0];
    let blocks = outbox.blocks(log.key, Stream::HEART_RATE, Seq(0)..=Seq(u32::MAX), u32::MAX).await.unwrap();
    let samples: Vec<_> = blocks
        .iter()
        .flat_map(|block| RawBlock::parse(block.body.clone()).unwrap().samples().unwrap())
        .collect();
    assert!(samples.windows(2).all(|pair| (1_000..=1_002).contains(&(pair[1].at_ms - pair[0].at_ms))));
    let values: Vec<i32> = samples.iter().map(|sample| sample.value).collect();
    assert_eq!(values, (0..2_700).rev().map(|left| 60 + left % 50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_full_disk_costs_in_the_end_is_said() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    let disk = async {
        sleep(Duration::from_secs(5)).await;
        outbox.limit_pages(1).await;
    };
    let ((report, told), ()) = tokio::join!(heard(&outbox, clock, 2_700), disk);
    let Outcome::Failed { reason, transient: true, .. } = &report.outcome else { panic!("{report:?}") };
    let lost = told.samples - told.stored;
    assert!(lost > 0 && reason.starts_with(&format!("{lost} samples could not be stored and are lost: ")));
    assert!(reason.contains("is full"), "{reason}");
    assert_eq!(report.fetched, report.new + report.rejected);
}

#[tokio::test(start_paused = true)]
async fn a_sample_waits_ten_seconds_at_most() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    let (told, seen) = watch::channel(Listening::default());
    let (mut heart, identity, stop) =
        (Heart::beating(u32::MAX), Identity::default(), CancellationToken::new());
    let session = listen(&mut heart, WATCH, &identity, &outbox, clock, &told, &stop);
    let look = async {
        for _ in 0..100 {
            sleep(Duration::from_millis(700)).await;
            let seen = *seen.borrow();
            assert!(seen.samples - seen.stored <= 11, "{seen:?}");
        }
        stop.cancel();
    };
    let (report, ()) = tokio::join!(session, look);
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!(seen.borrow().stored, seen.borrow().samples);
}
