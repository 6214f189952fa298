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
