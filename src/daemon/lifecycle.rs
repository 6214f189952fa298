//! Start, run, stop.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::DaemonError;
use super::service::Notifier;
use super::supervisor::Supervisor;
use super::wiring::{Cloud, Wiring};
use crate::clock::Clock;
use crate::control::{self, CloudView, Parts, Stage};
use crate::outbox::Outbox;
use crate::radio::Central;
use crate::sync::{Recovery, Shared, Slots, WatchState, Watcher, WatcherConfig, WatcherSignals};
use crate::upload::{UploadStatus, Uploader};

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
    let Wiring { paths, socket_mode, central, links, watches, cloud, clock } = wiring;
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
        let outbox = Outbox::open_claimed(claim, clock).await?;
        let supervisor = Supervisor::new(cancel.clone(), clock);
        let client = cloud.as_ref().map(|cloud| cloud.client.clone());
        let shared = Shared { slots: Slots::new(links.most), recovery: Recovery::new(links.power_cycle) };
        let radio = central.as_ref().map(|central| (central, &shared));
        let parts = start(&supervisor, &outbox, radio, watches, cloud, clock);
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

/// Starts every loop.
fn start<C: Central>(
    supervisor: &Supervisor,
    outbox: &Outbox,
    radio: Option<(&C, &Shared)>,
    watches: Vec<WatcherConfig>,
    cloud: Option<Cloud>,
    clock: Clock,
) -> Parts {
    let arrivals = Arc::new(Notify::new());
    let mut parts = Parts {
        outbox: outbox.clone(),
        watches: Vec::new(),
        cloud: None,
        sync_now: Vec::new(),
        failing: supervisor.failing(),
    };
    for config in watches {
        let (status, seen) = watch::channel(config.initial_status());
        parts.watches.push(seen);
        let Some((central, shared)) = radio.map(|(central, shared)| (central.clone(), shared.clone())) else {
            tracing::warn!(watch = %config.address, "The radio is off; this watch is not looked for.");
            status.send_modify(|status| status.state = WatchState::RadioOff);
            continue;
        };
        let signals = WatcherSignals { arrivals: Arc::clone(&arrivals), ..WatcherSignals::default() };
        parts.sync_now.push(Arc::clone(&signals.sync_now));
        let outbox = outbox.clone();
        supervisor.start(format!("sync {}", config.address), move |cancel| {
            let looper = Watcher::new(
                central.clone(),
                config.clone(),
                outbox.clone(),
                clock,
                status.clone(),
                signals.clone(),
                shared.clone(),
            );
            async move {
                looper.run(cancel).await;
                Ok::<(), Infallible>(())
            }
        });
    }
    if let Some(Cloud { client, uploader }) = cloud {
        let (status, seen) = watch::channel(UploadStatus::default());
        parts.cloud = Some(CloudView {
            base_url: client.base_url().to_string(),
            sink: uploader.sink.clone(),
            auth: client.auth_changes(),
            upload: seen,
        });
        let outbox = outbox.clone();
        supervisor.start("upload".to_owned(), move |cancel| {
            let uploader = Uploader::new(
                client.clone(),
                uploader.clone(),
                outbox.clone(),
                clock,
                status.clone(),
                Arc::clone(&arrivals),
            );
            uploader.run(cancel)
        });
    }
    parts
}
