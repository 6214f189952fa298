//! The loop that looks after one watch: reach it, run a session, wait, again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Outcome, Progress, SessionReport, WaitReason, WatchCounts, WatchState, WatchStatus, collect};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::outbox::Outbox;
use crate::radio::{Central, Link, PeerAddress, RadioError};
use crate::watch::{Bridge, Driver, WatchError};

/// The first wait after a failure; a watch that came back into range should not wait long.
const RETRY_FLOOR: Duration = Duration::from_secs(2);
/// The longest wait. A watch buffers about a day; a quarter of an hour costs neither data nor battery.
const RETRY_CEILING: Duration = Duration::from_mins(15);

/// What happens between sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Stay connected: one stable link costs a watch least.
    Stay,
    /// Disconnect, so that another host can have the watch.
    Release,
}

/// Which watch, and how often.
#[derive(Clone, Debug)]
pub struct WatcherConfig {
    /// Where it is reached.
    pub address: PeerAddress,
    /// What its owner calls it.
    pub name: Option<String>,
    /// What happens between sessions.
    pub mode: Mode,
    /// Time from the end of a session to the next.
    pub every: Duration,
    /// Seed of the jitter.
    pub seed: u64,
}

/// What a watcher hears and says beside its status.
#[derive(Clone, Debug, Default)]
pub struct WatcherSignals {
    /// Said: something new is in the outbox.
    pub arrivals: Arc<Notify>,
    /// Heard: somebody wants a session now.
    pub sync_now: Arc<Notify>,
}

impl WatcherConfig {
    /// The status of a watch that was not reached for yet.
    pub fn initial_status(&self) -> WatchStatus {
        WatchStatus {
            address: self.address.clone(),
            name: self.name.clone(),
            device: None,
            driver: None,
            identity: None,
            state: WatchState::Connecting,
            complete_at: None,
            last_session: None,
            counts: WatchCounts::default(),
        }
    }
}

/// One watch's loop. It publishes what it is doing and wakes the uploader when something has arrived.
pub struct Watcher<C> {
    central: C,
    config: WatcherConfig,
    outbox: Outbox,
    clock: Clock,
    status: watch::Sender<WatchStatus>,
    arrivals: Arc<Notify>,
    sync_now: Arc<Notify>,
    backoff: Backoff,
}

/// How a visit to the watch ended.
enum Visit {
    /// Fetched everything, and the link was given back on purpose.
    Released,
    /// The watch could not be reached or the link broke.
    Broke(WatchError),
    /// The session failed.
    Failed(String),
}

impl<C: Central> Watcher<C> {
    /// A loop that is not running yet; it tells what it is doing through `status`.
    pub fn new(
        central: C,
        config: WatcherConfig,
        outbox: Outbox,
        clock: Clock,
        status: watch::Sender<WatchStatus>,
        signals: WatcherSignals,
    ) -> Self {
        let backoff = Backoff::new(RETRY_FLOOR, RETRY_CEILING, fastrand::Rng::with_seed(config.seed));
        let WatcherSignals { arrivals, sync_now } = signals;
        Self { central, config, outbox, clock, status, arrivals, sync_now, backoff }
    }

    /// Runs until cancelled. What a cancelled session had not committed is still on the watch.
    pub async fn run(mut self, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            let visit = tokio::select! {
                () = cancel.cancelled() => break,
                visit = self.visit() => visit,
            };
            let wait = self.judge(visit);
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.sync_now.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.show(WatchState::Stopped);
    }

    /// One connection to the watch, with as many sessions as it lasts.
    async fn visit(&mut self) -> Visit {
        self.show(WatchState::Connecting);
        let link = match self.central.connect(&self.config.address).await {
            Ok(link) => link,
            Err(error) => return Visit::Broke(error.into()),
        };
        let mut bridge = match Bridge::open(link).await {
            Ok(bridge) => bridge,
            Err(error) => return Visit::Broke(error),
        };
        loop {
            let report = self.session(&mut bridge).await;
            if report.new > 0 {
                // A link that breaks now and then, but brings something each time, is no reason to wait longer and longer.
                self.backoff.succeeded();
            }
            if let Outcome::Failed { reason, .. } = report.outcome {
                bridge.close().await;
                return Visit::Failed(reason);
            }
            self.backoff.succeeded();
            if self.config.mode == Mode::Release {
                bridge.close().await;
                return Visit::Released;
            }
            self.show(WatchState::Connected { next_sync: self.in_future(self.config.every) });
            tokio::select! {
                closed = bridge.link().closed() => return Visit::Broke(RadioError::from(closed).into()),
                () = self.sync_now.notified() => {}
                () = tokio::time::sleep(self.config.every) => {}
            }
        }
    }

    async fn session(&mut self, bridge: &mut Bridge<C::Link>) -> SessionReport {
        let (progress, mut seen) = watch::channel(Progress::default());
        self.show(WatchState::Syncing(Progress::default()));
        let report = {
            let session = collect(bridge, &self.outbox, self.clock, &progress);
            tokio::pin!(session);
            loop {
                tokio::select! {
                    report = &mut session => break report,
                    Ok(()) = seen.changed() => {
                        let progress = *seen.borrow_and_update();
                        self.status.send_modify(|status| status.state = WatchState::Syncing(progress));
                        self.arrivals.notify_one();
                    }
                }
            }
        };
        tracing::info!(
            watch = %self.config.address, fetched = report.fetched, new = report.new, duplicate = report.duplicate,
            rejected = report.rejected, cursor = %report.cursor, outcome = %report.outcome, "A sync session ended."
        );
        self.arrivals.notify_one();
        self.status.send_modify(|status| {
            status.device = report.device.or(status.device);
            if report.outcome == Outcome::Complete {
                status.complete_at = Some(report.at);
            }
            status.last_session = Some(report.clone());
        });
        report
    }

    /// Turns the end of a visit into a wait, and says why.
    fn judge(&mut self, visit: Visit) -> Duration {
        let reason = match visit {
            Visit::Released => {
                let reason = WaitReason::Scheduled;
                return self.wait(reason, self.config.every);
            }
            Visit::Broke(WatchError::Radio(RadioError::NotFound(_))) => WaitReason::Away,
            Visit::Broke(WatchError::Radio(RadioError::NotReady(trouble))) => {
                WaitReason::RadioNotReady { trouble }
            }
            Visit::Broke(error) => {
                WaitReason::Failed { detail: error.to_string(), failures: self.backoff.failures() + 1 }
            }
            Visit::Failed(detail) => WaitReason::Failed { detail, failures: self.backoff.failures() + 1 },
        };
        let wait = self.backoff.failed(Duration::ZERO);
        self.wait(reason, wait)
    }

    fn wait(&self, reason: WaitReason, wait: Duration) -> Duration {
        tracing::debug!(watch = %self.config.address, ?reason, ?wait, "Waiting.");
        self.show(WatchState::Waiting { reason, until: Some(self.in_future(wait)) });
        wait
    }

    fn in_future(&self, wait: Duration) -> UtcMicros {
        let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX / 4);
        UtcMicros(self.clock.now().0.saturating_add(wait))
    }

    fn show(&self, state: WatchState) {
        self.status.send_modify(|status| status.state = state);
    }
}
