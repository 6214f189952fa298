//! A live session: hears the driver and commits, at the same time.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Listening;
use super::shelf::{Group, Shelf};
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::outbox::{Anchor, Appended, HostLog, Outbox, OutboxError, SessionKey};
use crate::radio::{LinkClosed, RadioError};
use crate::sync::{SessionReport, SyncError};
use crate::watch::{Live, LiveSample, WatchError};

/// The longest that a sample waits for its commit: what a power cut may cost. Shorter wears out an SD card.
const LINGER: Duration = Duration::from_secs(10);
/// A disk that is full is tried again after this.
const RETRY: Duration = Duration::from_secs(10);
/// At the end of a session it is tried for so long, unless somebody wants to stop.
const LAST_CHANCE: Duration = Duration::from_secs(30);
const LAST_CHANCE_RETRY: Duration = Duration::from_secs(2);
/// A device that was silent for so long is asked whether it is still there.
const SILENCE: Duration = Duration::from_mins(1);

/// A commit under way.
type Flight = Pin<Box<dyn Future<Output = Result<Appended, OutboxError>> + Send>>;

/// One session.
pub struct Listener<'a> {
    outbox: &'a Outbox,
    clock: Clock,
    host: HostLog,
    session: SessionKey,
    told: &'a watch::Sender<Listening>,
    report: &'a mut SessionReport,
    shelf: Shelf,
    /// The clocks compared when the session began, until that is on the disk.
    beginning: Option<Anchor>,
    /// The newest sample.
    newest: Option<Instant>,
    /// When to commit next.
    due: Option<Instant>,
    flight: Option<Flight>,
    /// The outbox has refused the last commit, for the time being.
    refused: Option<OutboxError>,
}

impl<'a> Listener<'a> {
    pub fn new(
        outbox: &'a Outbox,
        clock: Clock,
        host: HostLog,
        session: SessionKey,
        told: &'a watch::Sender<Listening>,
        report: &'a mut SessionReport,
    ) -> Self {
        report.cursor = host.log.cursor;
        if !clock.is_set() {
            tracing::warn!(now = %clock.now(), "This computer's clock is not set; what is measured waits for a time.");
        }
        Self {
            outbox,
            clock,
            host,
            session,
            told,
            report,
            shelf: Shelf::new(host),
            beginning: clock.is_set().then(|| host.anchor(clock, None)),
            newest: None,
            due: None,
            flight: None,
            refused: None,
        }
    }

    /// Hears the device until it is over, and commits what is left.
    pub async fn run<D: Live>(mut self, driver: &mut D, stop: &CancellationToken) -> Result<(), SyncError> {
        let heard = self.hear(driver, stop).await;
        let kept = self.finish(stop).await;
        self.report.fetched = self.shelf.sealed_so_far();
        self.report.rejected += self.shelf.dropped_so_far();
        // That something was lost weighs more than why the session ended.
        kept.and(heard)
    }

    async fn hear<D: Live>(&mut self, driver: &mut D, stop: &CancellationToken) -> Result<(), SyncError> {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            greeted = driver.greet(self.clock) => greeted?,
        }
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                appended = landing(&mut self.flight) => self.landed(appended)?,
                () = moment(self.due), if self.flight.is_none() => self.take_off(),
                samples = driver.next() => match samples {
                    Ok(samples) => {
                        silent_at = Instant::now() + SILENCE;
                        self.take(&samples, driver);
                    }
                    Err(WatchError::Radio(RadioError::Closed(LinkClosed::ByHost))) => return Ok(()),
                    Err(error) => return Err(error.into()),
                },
                () = sleep_until(silent_at) => {
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        there = driver.check() => there?,
                    }
                    silent_at = Instant::now() + SILENCE;
                }
            }
        }
    }

    fn take<D: Live>(&mut self, samples: &[LiveSample], driver: &D) {
        for sample in samples {
            self.shelf.put(sample);
            self.newest = self.newest.max(Some(sample.at));
            self.due.get_or_insert_with(|| Instant::now() + LINGER);
        }
        let newest = self.newest.and_then(|at| self.utc(at));
        self.told.send_modify(|told| {
            told.samples += samples.len() as u64;
            told.unreadable = driver.unreadable();
            told.battery = driver.battery();
            told.newest = newest;
        });
    }

    /// Begins a commit. What the disk refused before goes first; only then is what is open sealed, so that blocks grow full while
    /// nothing can be committed.
    fn take_off(&mut self) {
        self.due = None;
        if self.shelf.is_clear() {
            self.shelf.seal_all();
        }
        if self.shelf.is_clear() {
            return;
        }
        let Group { blocks, gaps } = self.shelf.group();
        let now = self.clock.is_set().then(|| self.host.anchor(self.clock, self.newest));
        let anchors = self.beginning.into_iter().chain(now).collect();
        let (outbox, log, session) = (self.outbox.clone(), self.host.log.key, self.session);
        self.flight =
            Some(Box::pin(async move { outbox.append_anchored(log, session, anchors, blocks, gaps).await }));
    }

    /// What came of a commit.
    fn landed(&mut self, appended: Result<Appended, OutboxError>) -> Result<(), SyncError> {
        self.flight = None;
        match appended {
            Ok(appended) => {
                if self.refused.take().is_some() {
                    tracing::info!("The outbox takes measurements again.");
                }
                self.beginning = None;
                let samples = self.shelf.committed(appended.cursor);
                self.report.new += u64::from(appended.new);
                self.report.duplicate += u64::from(appended.duplicate);
                self.report.cursor = appended.cursor;
                self.report.newest = self.newest.and_then(|at| self.utc(at)).or(self.report.newest);
                self.told.send_modify(|told| told.stored += samples);
                if !self.shelf.is_clear() {
                    self.due = Some(Instant::now());
                }
            }
            Err(error) if error.is_transient() => {
                if self.refused.is_none() {
                    let waiting = self.shelf.samples();
                    tracing::warn!(%error, waiting, "The outbox takes nothing at present; measurements wait in memory.");
                }
                self.refused = Some(error);
                self.due = Some(Instant::now() + RETRY);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Commits what is left.
    async fn finish(&mut self, stop: &CancellationToken) -> Result<(), SyncError> {
        let give_up = Instant::now() + LAST_CHANCE;
        self.refused = None;
        loop {
            if let Some(flight) = self.flight.take() {
                self.landed(flight.await).map_err(|error| self.lost(error))?;
            } else if self.shelf.is_empty() {
                return Ok(());
            } else if let Some(error) = self.refused.take() {
                if stop.is_cancelled() || Instant::now() >= give_up {
                    return Err(self.lost(error.into()));
                }
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep(LAST_CHANCE_RETRY) => {}
                }
                self.take_off();
            } else {
                self.take_off();
            }
        }
    }

    /// The error of a session that ends with something unsaved.
    fn lost(&mut self, error: SyncError) -> SyncError {
        self.shelf.seal_all();
        let (samples, blocks) = (self.shelf.samples(), self.shelf.waiting());
        self.report.rejected += blocks;
        match error {
            SyncError::Outbox(source) if samples > 0 => SyncError::Unsaved { samples, source },
            error => error,
        }
    }

    /// The wall-clock time of an instant, if this host knows the time.
    fn utc(&self, at: Instant) -> Option<UtcMicros> {
        let now = Instant::now();
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4);
        let off = micros(at.saturating_duration_since(now)) - micros(now.saturating_duration_since(at));
        self.clock.is_set().then(|| UtcMicros(self.clock.now().0.saturating_add(off)))
    }
}

/// The end of the commit under way, if there is one.
async fn landing(flight: &mut Option<Flight>) -> Result<Appended, OutboxError> {
    match flight {
        Some(flight) => flight.await,
        None => std::future::pending().await,
    }
}

async fn moment(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Quality;
    use crate::radio::NoRadio;
    use crate::sync::Outcome;
    use crate::sync::live::listen;
    use crate::watch::{Abilities, Driver, DriverName, Identity};
    use crate::wire::bridge::{DeviceId, RawBlock, Seq, Stream};

    const WATCH: DeviceId = DeviceId([3; 16]);
    /// 2025-11-22 16:00:00 UTC.
    const NOW: UtcMicros = UtcMicros(1_763_827_200_000_000);

    /// Tells a heart rate every second until its link is lost.
    struct Heart {
        left: u32,
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
            sleep(Duration::from_secs(1)).await;
            self.left -= 1;
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
            (Heart { left: seconds }, Identity::default(), CancellationToken::new());
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
        let blocks =
            outbox.blocks(log.key, Stream::HEART_RATE, Seq(0)..=Seq(u32::MAX), u32::MAX).await.unwrap();
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
        let Outcome::Failed { reason, transient: true } = &report.outcome else { panic!("{report:?}") };
        let lost = told.samples - told.stored;
        assert!(
            lost > 0 && reason.starts_with(&format!("{lost} samples could not be stored and are lost: "))
        );
        assert!(reason.contains("is full"), "{reason}");
        assert_eq!(report.fetched, report.new + report.rejected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sample_waits_ten_seconds_at_most() {
        let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::simulated(NOW));
        let outbox = Outbox::open(dir.path(), clock).await.unwrap();
        let (told, seen) = watch::channel(Listening::default());
        let (mut heart, identity, stop) =
            (Heart { left: u32::MAX }, Identity::default(), CancellationToken::new());
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
}
