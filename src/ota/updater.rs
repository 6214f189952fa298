//! The loop that brings updates to their end: one watch at a time, each try after a wait that grows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::{Attempt, Ending, Gate, OtaError, Progress, Remedy, Sent, Station};
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::outbox::{Outbox, OutboxError, UpdateRow, UpdateStep};
use crate::wire::bridge::DeviceId;

/// Waits after the first, the second and every further try that failed.
const AFTER_A_FAILURE: [Duration; 3] =
    [Duration::from_hours(1), Duration::from_hours(6), Duration::from_hours(24)];
/// Tries that failed, after which an update is given up.
const TRIES: u32 = 3;
/// Whatever stands in the way is looked at again so often.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// The journal cannot be written: a full disk is not emptied in a moment.
const JOURNAL_AGAIN: Duration = Duration::from_secs(30);

/// What an update needs besides the watch.
pub trait Ground: Send + Sync {
    /// The way to a watch.
    type Station: Station;

    /// What stands in the way of beginning now.
    fn gate(&self, update: &UpdateRow) -> impl Future<Output = Result<(), Gate>> + Send;

    /// The image, fetched if need be, checked, and hashed again. An error is why it cannot be had now, and whether it ever can.
    fn image(&self, update: &UpdateRow) -> impl Future<Output = Result<Bytes, NoImage>> + Send;

    /// Fetches what the watch has measured. An error is why that was not to be had.
    fn drain(&self, update: &UpdateRow) -> impl Future<Output = Result<(), String>> + Send;

    /// Makes everyone else let go of the watch until the station is dropped.
    fn lease(&self, update: &UpdateRow) -> impl Future<Output = Result<Self::Station, OtaError>> + Send;

    /// Takes down what an update that has ended teaches about the next.
    fn ended(
        &self,
        update: &UpdateRow,
        ending: Ending,
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;
}

/// An image that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct NoImage {
    /// Why.
    pub detail: String,
    /// Whether it may be had later.
    pub passing: bool,
}

/// What the updater is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doing {
    /// The watch that is being updated, and how far that is.
    pub now: Option<(DeviceId, Progress)>,
}

/// The loop. It owns nothing that a crash could lose: the journal is in the outbox, the truth on the watch.
pub struct Updater<G> {
    ground: G,
    outbox: Outbox,
    clock: Clock,
    /// Rung when an update was asked for, called off, or something that stood in the way has gone.
    bell: Arc<Notify>,
    /// The watch whose update is to be broken off.
    cancelled: watch::Receiver<Option<DeviceId>>,
    doing: watch::Sender<Doing>,
    rng: fastrand::Rng,
}

impl<G: Ground> Updater<G> {
    /// A loop that does not run yet.
    pub const fn new(
        ground: G,
        outbox: Outbox,
        clock: Clock,
        bell: Arc<Notify>,
        cancelled: watch::Receiver<Option<DeviceId>>,
        doing: watch::Sender<Doing>,
        rng: fastrand::Rng,
    ) -> Self {
        Self { ground, outbox, clock, bell, cancelled, doing, rng }
    }

    /// Runs for ever; may be dropped at any point.
    pub async fn run(mut self) -> Infallible {
        loop {
            let wait = match self.round().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "The journal of updates cannot be used; nothing is done without it.");
                    JOURNAL_AGAIN
                }
            };
            tokio::select! {
                () = self.bell.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Brings on every update that is due, and says how long there is nothing to do.
    async fn round(&mut self) -> Result<Duration, OutboxError> {
        let mut next = Duration::MAX;
        for update in self.outbox.open_updates().await? {
            let now = self.clock.now();
            match update.not_before.filter(|at| *at > now) {
                Some(at) => next = next.min(between(now, at)),
                None => next = next.min(self.bring_on(&update).await?),
            }
        }
        // Wall clocks are set: no wait is left to one alone.
        Ok(if next == Duration::MAX { next } else { next.min(LOOK_AGAIN) })
    }

    /// Brings one update as far as it comes now.
    async fn bring_on(&mut self, update: &UpdateRow) -> Result<Duration, OutboxError> {
        // A watch that was told to start its new image is seen to whatever stands in the way of beginning.
        if !update.started
            && let Err(gate) = self.ground.gate(update).await
        {
            return self.held_up(update, &gate).await;
        }
        let image = match self.image(update).await? {
            Ok(image) => image,
            Err(NoImage { detail, passing: false }) => {
                self.outbox.begin_update_step(update.key, UpdateStep::Failed, detail).await?;
                return Ok(Duration::ZERO);
            }
            Err(NoImage { detail, passing: true }) => return self.failed(update, detail).await,
        };
        if !update.started {
            self.outbox.begin_update_step(update.key, UpdateStep::Draining, String::new()).await?;
            if let Err(detail) = self.ground.drain(update).await {
                let detail = format!("what the watch has measured must be fetched first: {detail}");
                return self.failed(update, detail).await;
            }
        }
        // Fetching takes its time: it may have been called off, and another one asked for.
        let open = self.outbox.open_update(update.device).await?;
        if open.is_none_or(|open| open.key != update.key) {
            return Ok(Duration::ZERO);
        }
        match self.attempt(update, image).await {
            None => Ok(Duration::ZERO),
            Some(Ok(ending)) => {
                tracing::info!(update = %update.key, watch = %update.device, to = update.to, ?ending, "The update has ended.");
                self.ground.ended(update, ending).await?;
                Ok(Duration::ZERO)
            }
            Some(Err(OtaError::Outbox(error))) => Err(error),
            Some(Err(error)) if error.remedy() == Remedy::Never => {
                self.outbox.begin_update_step(update.key, UpdateStep::Failed, error.to_string()).await?;
                tracing::warn!(update = %update.key, %error, "The update has failed.");
                Ok(Duration::ZERO)
            }
            Some(Err(error)) => self.failed(update, error.to_string()).await,
        }
    }

    async fn image(&self, update: &UpdateRow) -> Result<Result<Bytes, NoImage>, OutboxError> {
        if !update.started {
            self.outbox.begin_update_step(update.key, UpdateStep::Downloading, String::new()).await?;
        }
        let image = self.ground.image(update).await;
        if image.is_ok() && !update.started {
            self.outbox.begin_update_step(update.key, UpdateStep::Verified, String::new()).await?;
        }
        Ok(image)
    }

    /// `None`: it was called off.
    async fn attempt(&mut self, update: &UpdateRow, image: Bytes) -> Option<Result<Ending, OtaError>> {
        let mut station = match self.ground.lease(update).await {
            Ok(station) => station,
            Err(error) => return Some(Err(error)),
        };
        let progress = watch::Sender::new(Progress::at(update.step, Sent::default()));
        let mut news = progress.subscribe();
        let attempt =
            Attempt::new(&mut station, &self.outbox, update, image, progress, self.rng.u64(..)).run().fuse();
        tokio::pin!(attempt);
        let ended = loop {
            let (doing, device) = (&self.doing, update.device);
            tokio::select! {
                biased;
                ended = &mut attempt => break Some(ended),
                _ = self.cancelled.wait_for(|cancelled| *cancelled == Some(device)) => break None,
                Ok(()) = news.changed() => {
                    let now = *news.borrow_and_update();
                    doing.send_replace(Doing { now: Some((device, now)) });
                }
            }
        };
        self.doing.send_replace(Doing::default());
        ended
    }

    /// Something stands in the way that passes by itself, or by a person's doing.
    async fn held_up(&self, update: &UpdateRow, gate: &Gate) -> Result<Duration, OutboxError> {
        let detail = gate.to_string();
        if let Gate::Refused { .. } = gate {
            self.outbox.begin_update_step(update.key, UpdateStep::Failed, detail).await?;
            return Ok(Duration::ZERO);
        }
        // Looked at every minute, told when it changes.
        if update.step != UpdateStep::Gated || update.detail != detail {
            self.outbox.begin_update_step(update.key, UpdateStep::Gated, detail).await?;
        }
        Ok(LOOK_AGAIN)
    }

    /// A try went wrong: another one later, or none any more.
    async fn failed(&self, update: &UpdateRow, detail: String) -> Result<Duration, OutboxError> {
        let tries = update.attempts + 1;
        if tries >= TRIES {
            let detail = if update.started {
                format!(
                    "given up after {tries} tries, with the watch on its way to the new image: {detail}. Unless it shows that it is \
                     well with it, it goes back by itself at its next restart"
                )
            } else {
                format!("given up after {tries} tries: {detail}")
            };
            tracing::warn!(update = %update.key, %detail, "The update has failed.");
            self.outbox.begin_update_step(update.key, UpdateStep::Failed, detail).await?;
            return Ok(Duration::ZERO);
        }
        let wait = AFTER_A_FAILURE[(tries as usize - 1).min(AFTER_A_FAILURE.len() - 1)];
        let until = UtcMicros(self.clock.now().0.saturating_add(micros(wait)));
        tracing::warn!(update = %update.key, %detail, ?wait, "The update did not go on.");
        self.outbox.postpone_update(update.key, true, Some(until), detail).await?;
        Ok(wait)
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn between(now: UtcMicros, at: UtcMicros) -> Duration {
    Duration::from_micros(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0))
}
