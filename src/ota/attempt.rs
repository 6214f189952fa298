//! One try to bring an image to a watch: from the first word to its end, through as many connections as it takes.
//!
//! Each round begins with the question what the watch holds, and takes the one step that follows from the answer; the step is written
//! down before it is taken. So it does not matter where an earlier try, or an earlier process, was ended.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::error::Remedy;
use super::progress::Meter;
use super::protocol::{Kept, Protocol, Sent, Station};
use super::{Next, OtaError, Progress, Target};
use crate::backoff::Backoff;
use crate::outbox::{Outbox, UpdateRow, UpdateStep};

/// Connections in a row that bring nothing on.
const IN_VAIN: u32 = 6;
/// A watch that was told to start anew has so long to come back; swapping two images takes a minute on slow flash.
const RETURN: Duration = Duration::from_mins(5);
/// A watch that runs its new image has so long to show that it is well.
const RECOVERY: Duration = Duration::from_mins(2);
/// Between two connections.
const FLOOR: Duration = Duration::from_secs(1);
const CEILING: Duration = Duration::from_secs(15);
/// The same request is made so often of a watch that takes it and shows nothing of it.
const REQUESTS: u32 = 3;
/// Whoever does not close a link in time drops it.
const CLOSE: Duration = Duration::from_secs(5);

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The image runs, the watch keeps it, and is well.
    Done,
    /// The image runs; that it is kept is for a person to say, on the watch.
    Unconfirmed,
    /// The watch has gone back to what it had.
    Reverted,
    /// The watch's boot loader did not take the image.
    Rejected,
}

/// A try.
pub struct Attempt<'a, S> {
    station: &'a mut S,
    outbox: &'a Outbox,
    update: &'a UpdateRow,
    target: Target,
    image: Bytes,
    progress: watch::Sender<Progress>,
    step: UpdateStep,
    started: bool,
    healthy: bool,
    /// Why the watch must not keep the image.
    unwell: Option<String>,
    asks_for_health: bool,
    patience: Patience,
    made: Requests,
    sent: Sent,
}

/// How often the watch was asked for the same.
#[derive(Debug, Default)]
struct Requests {
    uploads: u32,
    tests: u32,
    resets: u32,
    confirms: u32,
}

impl<'a, S: Station> Attempt<'a, S> {
    /// A try that has not begun. `image` is the whole file, and has been checked.
    pub fn new(
        station: &'a mut S,
        outbox: &'a Outbox,
        update: &'a UpdateRow,
        image: Bytes,
        progress: watch::Sender<Progress>,
        seed: u64,
    ) -> Self {
        let target = Target { image: update.image, version: update.to.clone(), file: update.file };
        Self {
            station,
            outbox,
            update,
            target,
            image,
            progress,
            step: update.step,
            started: update.started,
            healthy: false,
            unwell: None,
            asks_for_health: false,
            patience: Patience::new(seed),
            made: Requests::default(),
            sent: Sent::default(),
        }
    }

    /// Tries until the update has ended or nothing goes on. May be dropped at any point: the next try goes on from there.
    pub async fn run(mut self) -> Result<Ending, OtaError> {
        if !self.started {
            self.begin(UpdateStep::Preflight, String::new()).await?;
        }
        loop {
            let visited = if self.asks_for_health { self.ask_for_health().await } else { self.visit().await };
            let error = match visited {
                Ok(Some(ending)) => return Ok(ending),
                Ok(None) => continue,
                Err(error) => error,
            };
            if error.remedy() != Remedy::Reconnect {
                return Err(error);
            }
            tracing::debug!(update = %self.update.key, %error, "Connecting again.");
            let Some(wait) = self.patience.after_failure(self.sent.acked) else { return Err(error) };
            sleep(wait).await;
        }
    }

    async fn visit(&mut self) -> Result<Option<Ending>, OtaError> {
        let mut protocol = self.station.reach().await?;
        let ending = self.converse(&mut protocol).await;
        // Dropping it closes it as well.
        let _ = timeout(CLOSE, protocol.close()).await;
        ending
    }

    /// Does what the watch's answers call for until a connection is over. `None`: another is needed.
    async fn converse(&mut self, protocol: &mut S::Protocol) -> Result<Option<Ending>, OtaError> {
        loop {
            let standing = protocol.survey().await?;
            let running = standing.running.version.clone();
            if !self.started && !standing.runs(&self.target) && self.update.from.is_none() {
                self.outbox.count_update(self.update.key, Some(running.clone()), 0, 0).await?;
            }
            match standing.next(&self.target, self.started) {
                Next::Upload => self.upload(protocol).await?,
                Next::Test => {
                    bounded(&mut self.made.tests, "the request to try the image")?;
                    self.begin(UpdateStep::Testing, String::new()).await?;
                    protocol.test(&self.target).await?;
                }
                Next::Reset => {
                    bounded(&mut self.made.resets, "the request to start anew")?;
                    self.restart(protocol, String::new()).await?;
                    return Ok(None);
                }
                Next::Keep { confirmed } => match self.keep(protocol, confirmed).await? {
                    Keeping::Over(ending) => return Ok(Some(ending)),
                    Keeping::Elsewhere => return Ok(None),
                    Keeping::Asked => {}
                },
                Next::Reverted => {
                    let why = self.unwell.take().unwrap_or_else(|| {
                        format!("the watch went back to version {running} by itself; it was not well with this one, or was restarted before it could be checked")
                    });
                    return self.refuse(UpdateStep::Reverted, why, Ending::Reverted).await.map(Some);
                }
                Next::Rejected => {
                    let why =
                        format!("the watch's boot loader did not take the image; version {running} runs on");
                    return self.refuse(UpdateStep::Rejected, why, Ending::Rejected).await.map(Some);
                }
                Next::Foreign(foreign) => return Err(foreign.into()),
            }
        }
    }

    async fn upload(&mut self, protocol: &mut S::Protocol) -> Result<(), OtaError> {
        let size = self.image.len() as u64;
        if let Some(room) = protocol.room().filter(|room| *room < size) {
            return Err(OtaError::TooLarge { size, room });
        }
        self.begin(UpdateStep::Uploading, String::new()).await?;
        let (sender, mut news) = watch::channel(Sent { total: size, ..Sent::default() });
        let uploaded = {
            let upload = protocol.upload(&self.image, &self.target, &sender);
            tokio::pin!(upload);
            let mut meter = Meter::default();
            loop {
                tokio::select! {
                    biased;
                    uploaded = &mut upload => break uploaded,
                    Ok(()) = news.changed() => {
                        let progress = meter.read(*news.borrow_and_update());
                        self.progress.send_replace(progress);
                    }
                }
            }
        };
        let Sent { acked, sent, resent, .. } = *news.borrow();
        self.sent.acked = self.sent.acked.max(acked);
        self.outbox.count_update(self.update.key, None, sent, resent).await?;
        uploaded?;
        self.progress.send_replace(Progress::at(UpdateStep::Uploading, *news.borrow()));
        bounded(&mut self.made.uploads, "the whole image")
    }

    /// The image runs: whether the watch may keep it, and does.
    async fn keep(&mut self, protocol: &mut S::Protocol, confirmed: bool) -> Result<Keeping, OtaError> {
        if let Some(why) = self.unwell.clone() {
            if confirmed {
                return Err(OtaError::Unwell(why));
            }
            bounded(&mut self.made.resets, "the request to start anew")?;
            self.restart(protocol, format!("going back: {why}")).await?;
            return Ok(Keeping::Elsewhere);
        }
        if !self.healthy {
            self.begin(UpdateStep::Checking, String::new()).await?;
            self.asks_for_health = true;
            self.patience.until(Instant::now() + RECOVERY);
            return Ok(Keeping::Elsewhere);
        }
        if confirmed {
            self.begin(UpdateStep::Done, String::new()).await?;
            return Ok(Keeping::Over(Ending::Done));
        }
        bounded(&mut self.made.confirms, "the request to keep the image")?;
        self.begin(UpdateStep::Confirming, String::new()).await?;
        match protocol.confirm().await? {
            Kept::Yes => Ok(Keeping::Asked),
            Kept::ByPerson => {
                let detail = "confirm the new firmware on the watch itself, or its next restart goes back to the old one";
                self.begin(UpdateStep::Unconfirmed, detail.to_owned()).await?;
                Ok(Keeping::Over(Ending::Unconfirmed))
            }
        }
    }

    async fn restart(&mut self, protocol: &mut S::Protocol, detail: String) -> Result<(), OtaError> {
        self.begin(UpdateStep::Rebooting, detail).await?;
        self.started = true;
        self.healthy = false;
        self.patience.until(Instant::now() + RETURN);
        protocol.reset().await
    }

    /// Asks until the watch is well or has had its time; then it goes back.
    async fn ask_for_health(&mut self) -> Result<Option<Ending>, OtaError> {
        match self.station.health(&self.target).await {
            Ok(()) => self.healthy = true,
            Err(error @ (OtaError::Outbox(_) | OtaError::Stranger(_))) => return Err(error),
            Err(error) => match self.patience.after_failure(self.sent.acked) {
                Some(wait) => {
                    tracing::debug!(update = %self.update.key, %error, "The watch has not shown yet that it is well.");
                    sleep(wait).await;
                    return Ok(None);
                }
                None => self.unwell = Some(error.to_string()),
            },
        }
        self.asks_for_health = false;
        self.patience.renew();
        Ok(None)
    }

    async fn refuse(&mut self, step: UpdateStep, why: String, ending: Ending) -> Result<Ending, OtaError> {
        self.outbox.refuse_update(self.update, step, why).await?;
        self.show(step);
        Ok(ending)
    }

    /// Writes down that a step begins, before it does.
    async fn begin(&mut self, step: UpdateStep, detail: String) -> Result<(), OtaError> {
        if self.step != step || !detail.is_empty() {
            self.outbox.begin_update_step(self.update.key, step, detail).await?;
        }
        self.show(step);
        Ok(())
    }

    fn show(&mut self, step: UpdateStep) {
        self.step = step;
        self.progress.send_modify(|progress| *progress = Progress::at(step, progress.sent));
    }
}

/// What became of letting the watch keep its image.
enum Keeping {
    Over(Ending),
    /// Something has to be done over another connection first.
    Elsewhere,
    /// It was asked to; its next answer tells.
    Asked,
}

/// Counts a request, and gives up on one that shows no effect.
const fn bounded(made: &mut u32, what: &'static str) -> Result<(), OtaError> {
    *made += 1;
    if *made > REQUESTS { Err(OtaError::NotShown(what)) } else { Ok(()) }
}

/// How long to go on though nothing does.
#[derive(Debug)]
struct Patience {
    backoff: Backoff,
    acked: u64,
    /// A time that is granted however often it fails.
    until: Option<Instant>,
}

impl Patience {
    const fn new(seed: u64) -> Self {
        let backoff = Backoff::new(FLOOR, CEILING, fastrand::Rng::with_seed(seed));
        Self { backoff, acked: 0, until: None }
    }

    fn until(&mut self, until: Instant) {
        self.renew();
        self.until = Some(until);
    }

    fn renew(&mut self) {
        self.backoff.succeeded();
        self.until = None;
    }

    /// How long to wait before the next try; `None`: there is no more sense in it.
    fn after_failure(&mut self, acked: u64) -> Option<Duration> {
        if acked > self.acked {
            self.acked = acked;
            self.backoff.succeeded();
        }
        let wait = self.backoff.failed(Duration::ZERO);
        let goes_on = match self.until {
            Some(until) => Instant::now() + wait < until,
            None => self.backoff.failures() < IN_VAIN,
        };
        goes_on.then_some(wait)
    }
}
