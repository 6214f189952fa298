//! A live session: hears the driver and commits, at the same time.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Listening;
use super::kept::RETRY;
use super::store::{Flight, Landed, Store};
use crate::clock::Clock;
use crate::outbox::{Appended, OutboxError};
use crate::radio::{LinkClosed, RadioError};
use crate::sync::{SIGN_OF_LIFE, SessionReport, SyncError};
use crate::watch::{Live, LiveSample, WatchError};

/// The end of a session waits so long for its last commit. What is not committed then outlives the session.
const LAST_COMMIT: Duration = Duration::from_secs(3);
/// A device that was silent for so long is asked whether it is still there.
const SILENCE: Duration = Duration::from_mins(1);

/// One session.
pub struct Listener<'a> {
    clock: Clock,
    told: &'a watch::Sender<Listening>,
    report: &'a mut SessionReport,
    store: &'a mut Store,
    /// When to commit next.
    due: Option<Instant>,
    flight: Option<Flight>,
    /// Blocks sealed and dropped before this session.
    before: (u64, u64),
}

impl<'a> Listener<'a> {
    pub fn new(
        clock: Clock,
        store: &'a mut Store,
        told: &'a watch::Sender<Listening>,
        report: &'a mut SessionReport,
    ) -> Self {
        report.clock = clock.trust();
        if !report.clock.is_believed() {
            tracing::warn!(now = %clock.now(), reason = %report.clock, "What is measured waits for a time.");
        }
        let before = (store.shelf.sealed_so_far(), store.shelf.dropped_so_far());
        let due = (!store.shelf.is_empty()).then(Instant::now);
        Self { clock, told, report, store, due, flight: None, before }
    }

    /// Hears the device until it is over, and commits what is left.
    pub async fn run<D: Live>(mut self, driver: &mut D, stop: &CancellationToken) -> Result<(), SyncError> {
        let heard = self.hear(driver, stop).await;
        let kept = self.finish().await;
        self.report.fetched = self.store.shelf.sealed_so_far() - self.before.0;
        self.report.rejected = self.store.shelf.dropped_so_far() - self.before.1;
        // That something is in danger weighs more than why the session ended.
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
                appended = landing(&mut self.flight) => {
                    self.landed(appended).await?;
                }
                () = moment(self.due), if self.flight.is_none() => (self.due, self.flight) = (None, self.store.take_off()),
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
                        there = timeout(SIGN_OF_LIFE, driver.check()) => {
                            there.unwrap_or(Err(RadioError::Timeout("a sign of life").into()))?;
                        }
                    }
                    silent_at = Instant::now() + SILENCE;
                }
            }
        }
    }

    fn take<D: Live>(&mut self, samples: &[LiveSample], driver: &D) {
        for sample in samples {
            self.store.put(sample);
            self.due.get_or_insert_with(|| Instant::now() + self.store.linger());
        }
        let newest = self.store.newest();
        self.told.send_modify(|told| {
            told.samples += samples.len() as u64;
            told.unreadable = driver.unreadable();
            told.repeated = driver.repeated();
            told.battery = driver.battery();
            told.newest = newest;
        });
    }

    /// What came of a commit; why it was refused, if it was.
    async fn landed(
        &mut self,
        appended: Result<Appended, OutboxError>,
    ) -> Result<Option<OutboxError>, SyncError> {
        self.flight = None;
        let stored = match self.store.landed(appended).await? {
            Landed::Stored { appended, samples } => {
                self.report.new += u64::from(appended.new);
                self.report.duplicate += u64::from(appended.duplicate);
                self.report.cursor = appended.cursor;
                self.report.newest = self.store.newest().or(self.report.newest);
                samples
            }
            Landed::Renumbered { samples } => samples,
            Landed::Refused(error) => {
                self.due = Some(Instant::now() + RETRY);
                return Ok(Some(error));
            }
        };
        self.told.send_modify(|told| told.stored += stored);
        if !self.store.shelf.is_clear() {
            self.due = Some(Instant::now());
        }
        Ok(None)
    }

    /// Commits what is left, as far as the outbox takes it now.
    async fn finish(&mut self) -> Result<(), SyncError> {
        let done = timeout(LAST_COMMIT, self.commit()).await;
        let samples = self.store.shelf.samples();
        match done {
            Ok(Err(SyncError::Outbox(source))) if samples > 0 => Err(SyncError::Unsaved { samples, source }),
            Ok(done) => done,
            Err(_) => Err(SyncError::SlowDisk { samples }),
        }
    }

    async fn commit(&mut self) -> Result<(), SyncError> {
        // One that was refused while a device was heard is tried once more.
        if let Some(flight) = self.flight.take() {
            self.landed(flight.await).await?;
        }
        while let Some(flight) = self.store.take_off() {
            if let Some(error) = self.landed(flight.await).await? {
                return Err(error.into());
            }
        }
        Ok(())
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
