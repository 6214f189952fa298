//! `nowbridge run`: the daemon in the foreground.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{exit, logging};
use crate::clock::Clock;
use crate::config::{Config, RadioConfig};
use crate::daemon::{self, DaemonError, Notifier, Wiring};
use crate::radio::bluez::BluezCentral;
use crate::radio::{Central, NoRadio};

/// Two threads are enough for loops that wait most of the time, and each costs memory.
const WORKERS: usize = 2;

/// Runs until SIGTERM or SIGINT.
pub fn run(config: &Config) -> anyhow::Result<u8> {
    logging::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(8)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        let stopper = tokio::spawn(stop_on_signal(cancel.clone()));
        let result = start(config, cancel).await;
        stopper.abort();
        result
    })?;
    Ok(exit::OK)
}

async fn start(config: &Config, cancel: CancellationToken) -> Result<(), DaemonError> {
    config.paths.create()?;
    match &config.radio {
        RadioConfig::Off => serve::<NoRadio>(config, None, cancel).await,
        RadioConfig::Bluez { adapter } => {
            let central = BluezCentral::start(adapter.clone());
            let served = serve(config, Some(central.clone()), cancel).await;
            central.shutdown().await;
            served
        }
        #[cfg(feature = "sim")]
        RadioConfig::Simulated { air } => {
            serve(config, Some(crate::radio::air::AirCentral::over_socket(air)), cancel).await
        }
        #[cfg(not(feature = "sim"))]
        RadioConfig::Simulated { .. } => Err(DaemonError::NoSimulation),
    }
}

async fn serve<C: Central>(
    config: &Config,
    central: Option<C>,
    cancel: CancellationToken,
) -> Result<(), DaemonError> {
    daemon::run(Wiring::new(config, central, Clock::System)?, Notifier { enabled: true }, cancel).await
}

pub(super) async fn stop_on_signal(cancel: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("Signals cannot be heard; only SIGKILL will end this process.");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    cancel.cancel();
}
