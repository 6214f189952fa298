//! How the samples of one host log come to the disk: a shelf, and the commits that empty it.
//!
//! It outlives the session that filled it. A commit whose answer nobody waits for does no harm: its blocks stay on the shelf, and one
//! that comes to the outbox a second time with the same bytes is a no-op.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::shelf::{Group, Shelf};
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::outbox::{Anchor, Appended, HostLog, Outbox, OutboxError, SessionKey};
use crate::watch::LiveSample;
use crate::wire::bridge::Seq;

/// A commit under way.
pub type Flight = Pin<Box<dyn Future<Output = Result<Appended, OutboxError>> + Send>>;

/// What is not committed yet of one log.
pub struct Store {
    outbox: Outbox,
    clock: Clock,
    host: HostLog,
    session: SessionKey,
    /// Samples and blocks.
    pub shelf: Shelf,
    /// The clocks compared when a session began, until that is on the disk.
    beginning: Option<Anchor>,
    /// The newest sample.
    newest: Option<Instant>,
    /// The outbox has refused the last commit, for the time being.
    refused: bool,
}

/// What a commit came to.
#[derive(Debug)]
pub enum Landed {
    /// It is on the disk.
    Stored {
        /// What the outbox says.
        appended: Appended,
        /// Samples.
        samples: u64,
    },
    /// Not now; it may work later.
    Refused(OutboxError),
    /// Somebody else had used the numbers. The blocks have new ones.
    Renumbered {
        /// Samples that were stored before.
        samples: u64,
    },
}

impl Store {
    /// Nothing waits yet.
    pub fn new(outbox: Outbox, clock: Clock, host: HostLog, session: SessionKey) -> Self {
        let shelf = Shelf::new(host);
        Self { outbox, clock, host, session, shelf, beginning: None, newest: None, refused: false }
    }

    /// What is committed from now on came in this session.
    pub fn continue_in(&mut self, session: SessionKey) {
        self.session = session;
        if self.beginning.is_none() && self.clock.is_set() {
            self.beginning = Some(self.host.anchor(self.clock, None));
        }
    }

    /// The longest that a sample waits for its commit.
    pub fn linger(&self) -> Duration {
        self.outbox.linger()
    }

    /// Takes a sample in.
    pub fn put(&mut self, sample: &LiveSample) {
        self.shelf.put(sample);
        self.newest = self.newest.max(Some(sample.at));
    }

    /// When the newest sample was taken, if this host knows the time.
    pub fn newest(&self) -> Option<UtcMicros> {
        let (at, now) = (self.newest.filter(|_| self.clock.is_set())?, Instant::now());
        let micros = |(late, early): (Instant, Instant)| {
            i64::try_from((late - early).as_micros()).unwrap_or(i64::MAX / 4)
        };
        let off = if at > now { micros((at, now)) } else { -micros((now, at)) };
        Some(UtcMicros(self.clock.now().0.saturating_add(off)))
    }

    /// Begins a commit, if there is anything to commit. What the disk refused before goes first; only then is what is open sealed, so
    /// that blocks grow full while nothing can be committed.
    pub fn take_off(&mut self) -> Option<Flight> {
        if self.shelf.is_clear() {
            self.shelf.seal_all();
        }
        if self.shelf.is_clear() {
            return None;
        }
        let Group { blocks, gaps } = self.shelf.group();
        let now = self.clock.is_set().then(|| self.host.anchor(self.clock, self.newest));
        let anchors = self.beginning.into_iter().chain(now).collect();
        let (outbox, log, session) = (self.outbox.clone(), self.host.log.key, self.session);
        Some(Box::pin(async move { outbox.append_anchored(log, session, anchors, blocks, gaps).await }))
    }

    /// What came of a commit. An error is one that no patience mends. Numbers that somebody else has used meanwhile are given up for
    /// new ones.
    pub async fn landed(&mut self, appended: Result<Appended, OutboxError>) -> Result<Landed, OutboxError> {
        let device = self.host.log.device;
        match appended {
            Ok(appended) => {
                if std::mem::take(&mut self.refused) {
                    tracing::info!(%device, "The outbox takes measurements again.");
                }
                self.beginning = None;
                let samples = self.shelf.committed(appended.cursor);
                Ok(Landed::Stored { appended, samples })
            }
            Err(error @ (OutboxError::Conflict { seq, .. } | OutboxError::GivenUp { seq, .. })) => {
                tracing::warn!(%device, %error, "Somebody else writes to the log; measurements get other numbers.");
                let cursor = self.cursor().await?;
                // What lies before was there already, with the same bytes.
                let samples = self.shelf.committed(Seq(seq.0.saturating_sub(1)));
                self.shelf.renumber(cursor);
                Ok(Landed::Renumbered { samples })
            }
            Err(error) => {
                if !std::mem::replace(&mut self.refused, true) {
                    let waiting = self.shelf.samples();
                    tracing::warn!(%device, %error, waiting, "The outbox takes nothing at present; measurements wait in memory.");
                }
                if error.is_transient() { Ok(Landed::Refused(error)) } else { Err(error) }
            }
        }
    }

    /// Commits everything, or as much as the outbox takes.
    pub async fn save(&mut self) -> Result<(), OutboxError> {
        while let Some(flight) = self.take_off() {
            if let Landed::Refused(error) = self.landed(flight.await).await? {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Where the log ends.
    async fn cursor(&self) -> Result<Seq, OutboxError> {
        let (key, logs) = (self.host.log.key, self.outbox.logs().await?);
        logs.iter().find(|log| log.key == key).map(|log| log.cursor).ok_or(OutboxError::UnknownLog(key))
    }
}
