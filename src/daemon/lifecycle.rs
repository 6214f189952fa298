//! Start, run, stop.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::DaemonError;
use super::arrivals::{self, Ear, Signals};
use super::crew::{Crew, Kit};
use super::desk::Desk;
use super::files::Files;
use super::service::Notifier;
use super::sinks::{Sink, Start};
use super::spells::Spells;
use super::supervisor::Supervisor;
use super::wiring::{Cloud, Wiring};
use crate::clock::Clock;
use crate::config::{LinksConfig, SinkConfig};
use crate::control::{self, CloudView, Parts, RadioDesk, RadioView, Seat, SinkView, Stage};
use crate::outbox::Outbox;
use crate::radio::Central;
use crate::sync::{ClockStatus, Recovery, Shared, Slots, Timekeeper, WatchState, WatchStatus, WatcherConfig};
use crate::upload::Nowatch;

/// How long the loops may take to end. What they have not committed by then is still on the watch.
const GRACE: Duration = Duration::from_secs(10);
/// How long an exchange of tokens that is under way may take to end. With [`GRACE`] less than the units' `TimeoutStopSec=`.
const LAST_EXCHANGE: Duration = Duration::from_secs(8);

/// Runs a daemon until cancelled.
pub async fn run<C: Central>(
    wiring: Wiring<C>,
    notifier: Notifier,
    cancel: CancellationToken,
) -> Result<(), DaemonError> {
    let Wiring {
        paths,
        socket_mode,
        central,
        links,
        watches,
        cloud,
        sinks,
        firmware,
        firmware_policy: policy,
        limits,
        clock,
    } = wiring;
    paths.create()?;
    // Before the socket: a probe of the socket is no lock, and of two daemons one must find out before it replaces anything.
    let claim = Outbox::claim(&paths.state_dir).await?;
    let path = paths.control_socket.clone();
    let listener = control::bind(&path, socket_mode)
        .await
        .map_err(|source| DaemonError::Socket { path: path.clone(), source })?;
    let (stage, stages) = watch::channel(Stage::Starting);
    let silence = CancellationToken::new();
    let control = tokio::spawn(control::serve(listener, stages, clock.now(), silence.clone()));

    let worked = async {
        let outbox = Outbox::open_limited(claim, clock, limits).await?;
        let supervisor = Supervisor::new(cancel.clone(), clock);
        let client = cloud.as_ref().map(|cloud| cloud.client.clone());
        let (supervised, store) = (supervisor.clone(), outbox.clone());
        let files = Files { dir: paths.firmware(), config: firmware, policy, keep_free: limits.keep_free };
        let plant = Plant {
            supervisor: supervised,
            outbox: store,
            clock,
            central,
            links,
            watches,
            cloud,
            sinks,
            files,
        };
        let parts = plant.start().await?;
        stage.send_replace(Stage::Running(Arc::new(parts)));
        notifier.ready();
        tracing::info!(state = %paths.state_dir.display(), control = %path.display(), "Running.");
        stand_by(&supervisor, notifier, &cancel).await;

        notifier.stopping();
        tracing::info!("Stopping.");
        stage.send_replace(Stage::Stopping);
        if !supervisor.ended(GRACE).await {
            tracing::warn!("A loop does not end; what it has not committed is still on the watch.");
        }
        if let Some(client) = client {
            // The new tokens are lost with the process if the cloud answers later; it does not get to hold us.
            if tokio::time::timeout(LAST_EXCHANGE, client.settle()).await.is_err() {
                tracing::warn!(
                    "The cloud does not answer an exchange of tokens; the next start may need a login."
                );
            }
        }
        outbox.close().await?;
        Ok(())
    }
    .await;
    silence.cancel();
    // An event stream that somebody holds open must not hold the daemon open.
    if tokio::time::timeout(Duration::from_secs(1), control).await.is_err() {
        tracing::debug!("A client kept the control socket open.");
    }
    // The next daemon replaces a stale socket file; removing it is courtesy.
    let _ = std::fs::remove_file(&path);
    worked
}

/// Waits for the end, and tells the watchdog that all is well for as long as it is.
async fn stand_by(supervisor: &Supervisor, notifier: Notifier, cancel: &CancellationToken) {
    let Some(period) = notifier.watchdog_period() else { return cancel.cancelled().await };
    let mut ticks = tokio::time::interval(period);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = ticks.tick() => match supervisor.ask().as_slice() {
                [] => notifier.alive(),
                silent => tracing::error!(?silent, "A loop does not answer; the watchdog is not told that all is well."),
            }
        }
    }
}

/// What there is to start.
struct Plant<C> {
    supervisor: Supervisor,
    outbox: Outbox,
    clock: Clock,
    central: Option<C>,
    links: LinksConfig,
    watches: Vec<WatcherConfig>,
    cloud: Option<Cloud>,
    sinks: Vec<Sink>,
    files: Files,
}

impl<C: Central> Plant<C> {
    /// Starts every loop.
    async fn start(self) -> Result<Parts, DaemonError> {
        let Self { supervisor, outbox, clock, central, links, watches, cloud, sinks, files } = self;
        let signals = Signals::default();
        let arrivals = Arc::clone(&signals.arrivals);
        // Before the first watch is reached: nothing may be dated by a clock that is known to be wrong.
        clock.ask(false).await;
        let client = cloud.as_ref().map(|cloud| cloud.client.clone());
        let (radio, seats, desk, updates) = match central {
            None => (None, at_rest(&watches), None, None),
            Some(central) => {
                let (outbox, supervisor, arrivals) =
                    (outbox.clone(), supervisor.clone(), Arc::clone(&arrivals));
                let recovery = Recovery::new(links.power_cycle);
                let radio = RadioView { state: central.state(), recovery: recovery.counts() };
                let shared = Shared { slots: Slots::new(links.most), recovery };
                let errand = Arc::new(Semaphore::new(1));
                let kit = Kit { central, outbox, clock, supervisor, arrivals, shared, errand };
                let (seats, desk) = open_desk(kit.clone(), watches).await?;
                let updates = files.start(kit, client, &seats);
                (Some(radio), seats, Some(desk), Some(updates))
            }
        };
        let time = keep_time(&supervisor, &outbox, clock, &seats, &signals);
        keep_tidy(&supervisor, &outbox);
        let failing = supervisor.failing();
        let (cloud, sinks) = start_uploads(&supervisor, &outbox, clock, (cloud, sinks), signals);
        let parts = Parts { outbox, radio, seats, desk, time, cloud, sinks, arrivals, updates, failing };
        note_spells(&supervisor, &parts, clock);
        Ok(parts)
    }
}

/// Starts the loop that looks after this computer's clock. When that can be believed, or was set, every watch is asked for its own.
fn keep_time(
    supervisor: &Supervisor,
    outbox: &Outbox,
    clock: Clock,
    seats: &watch::Receiver<Vec<Seat>>,
    signals: &Signals,
) -> watch::Receiver<ClockStatus> {
    let (outbox, seats, status) = (outbox.clone(), seats.clone(), watch::Sender::default());
    let signals = signals.clone();
    let seen = status.subscribe();
    supervisor.start("clock".to_owned(), move |cancel| {
        let (seats, signals) = (seats.clone(), signals.clone());
        let wake = move || {
            // What was kept back may have a date now, and a certificate may be valid.
            signals.arrivals.notify_one();
            signals.clock_set.notify_one();
            for sync_now in seats.borrow().iter().filter_map(|seat| seat.sync_now.as_ref()) {
                sync_now.notify_one();
            }
        };
        let timekeeper = Timekeeper::new(clock, outbox.clone(), status.clone(), wake);
        async move {
            timekeeper.run(cancel).await;
            Ok::<(), Infallible>(())
        }
    });
    seen
}

/// The watches of a daemon without a radio.
fn at_rest(watches: &[WatcherConfig]) -> watch::Receiver<Vec<Seat>> {
    let seat = |config: &WatcherConfig| {
        tracing::warn!(watch = %config.address, "The radio is off; this watch is not looked for.");
        let status = WatchStatus { state: WatchState::RadioOff, ..config.initial_status() };
        let (address, name) = (config.address.clone(), config.name.clone());
        Seat { address, name, status: watch::channel(status).1, sync_now: None, updating: None }
    };
    watch::channel(watches.iter().map(seat).collect()).1
}

/// Starts the watchers, and the task that has them and the radio.
async fn open_desk<C: Central>(
    kit: Kit<C>,
    watches: Vec<WatcherConfig>,
) -> Result<(watch::Receiver<Vec<Seat>>, RadioDesk), DaemonError> {
    let crew = Crew::muster(kit.clone(), watches).await?;
    let (desk, requests) = RadioDesk::new();
    let (seats, supervisor) = (crew.seats(), kit.supervisor.clone());
    // One incarnation of the loop has it at a time; if one panics, the next finds the watchers as they were.
    let server = Arc::new(Mutex::new(Desk::new(kit, crew, requests)));
    supervisor.start("radio desk".to_owned(), move |cancel| {
        let server = Arc::clone(&server);
        async move {
            server.lock().await.run(cancel).await;
            Ok::<(), Infallible>(())
        }
    });
    Ok((seats, desk))
}

/// Starts the loop that frees, evicts and salvages.
fn keep_tidy(supervisor: &Supervisor, outbox: &Outbox) {
    let outbox = outbox.clone();
    supervisor.start("outbox".to_owned(), move |cancel| {
        let outbox = outbox.clone();
        async move {
            tokio::select! {
                () = cancel.cancelled() => Ok(()),
                never = outbox.keep_tidy() => Err::<(), Infallible>(never),
            }
        }
    });
}

/// Starts whoever writes down what keeps the others from going on.
fn note_spells(supervisor: &Supervisor, parts: &Parts, clock: Clock) {
    let outbox = parts.outbox.clone();
    let radio = parts.radio.as_ref().map(|radio| radio.state.clone());
    let (seats, time) = (parts.seats.clone(), parts.time.clone());
    let sinks: Vec<_> = parts.sinks.iter().map(|sink| (sink.name.clone(), sink.upload.clone())).collect();
    supervisor.start("ledger".to_owned(), move |cancel| {
        let (outbox, radio, seats, time) = (outbox.clone(), radio.clone(), seats.clone(), time.clone());
        Spells { outbox, clock, radio, seats, time, sinks: sinks.clone() }.run(cancel)
    });
}

/// Starts a loop for the cloud and one for each other sink, and the one that wakes them.
fn start_uploads(
    supervisor: &Supervisor,
    outbox: &Outbox,
    clock: Clock,
    (cloud, sinks): (Option<Cloud>, Vec<Sink>),
    signals: Signals,
) -> (Option<CloudView>, Vec<SinkView>) {
    let mut ears = Vec::new();
    let mut views = Vec::new();
    let cloud = cloud.map(|Cloud { client, uploader, consent_check_every }| {
        let (base_url, auth, sink) =
            (client.base_url().to_string(), client.auth_changes(), uploader.sink.clone());
        let (ear, to, config) = (Ear::new(Duration::ZERO), base_url.clone(), SinkConfig::default());
        let start = Start { supervisor, outbox, clock, ear: &ear, to, config, uploader };
        let talker = client.clone();
        let view = start.with(move || Nowatch::new(talker.clone(), consent_check_every));
        let upload = view.upload.clone();
        views.push(view);
        ears.push(ear);
        CloudView { base_url, sink, client, auth, upload }
    });
    for sink in sinks {
        let ear = Ear::new(sink.every);
        views.push(sink.start(supervisor, outbox, clock, &ear));
        ears.push(ear);
    }
    supervisor.start("arrivals".to_owned(), move |cancel| {
        let passing_on = arrivals::pass_on(signals.clone(), ears.clone(), cancel);
        async move {
            passing_on.await;
            Ok::<(), Infallible>(())
        }
    });
    (cloud, views)
}
