//! Whatever was in the way: afterwards the watch is connected and synchronised again. Each story prints how soon; that it is within ten
//! seconds is asserted where time is virtual (`sync`).

use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::outbox::Outbox;
use nowbridge::radio::bluez::BluezCentral;
use nowbridge::sync::{Mode, WatchStatus, Watcher, WatcherConfig, WatcherSignals};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::ours::radio;
use crate::support::stage::{Stage, Wearable, story};
use crate::support::sync::worn_for;
use crate::support::watch::START;
use crate::support::watcher::{HOUR, MINUTE, alone, config, is_connected};

const LOST_AFTER: Duration = Duration::from_millis(500);

/// A watcher of the bridge watch, over the real radio.
struct Watched {
    status: watch::Receiver<WatchStatus>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
    radio: BluezCentral,
    _directory: TempDir,
}

impl Watched {
    /// One that has synchronised once.
    async fn begin(stage: &Stage) -> Self {
        let _worn = stage.wear(worn_for(1)).await;
        let (radio, directory, clock) = (radio().await, TempDir::new().unwrap(), Clock::simulated(START));
        let outbox = Outbox::open(directory.path(), clock).await.unwrap();
        let config = WatcherConfig { address: Wearable::Bridge.address(), every: HOUR, ..config(Mode::Stay) };
        let (status, seen) = watch::channel(config.initial_status());
        let (signals, cancel) = (WatcherSignals::default(), CancellationToken::new());
        let work = Watcher::new(radio.clone(), config, outbox, clock, status, signals, alone());
        let task = tokio::spawn(work.run(cancel.clone()));
        let mut watched = Self { status: seen, cancel, task, radio, _directory: directory };
        watched.synced(1, MINUTE).await;
        watched
    }

    fn sessions(&self) -> u64 {
        self.status.borrow().counts.complete
    }

    /// Waits until so many sessions have fetched everything and the watch is still connected.
    async fn synced(&mut self, sessions: u64, within: Duration) {
        let synced =
            self.status.wait_for(|status| is_connected(status) && status.counts.complete >= sessions);
        let waited = timeout(within, synced).await.map(drop);
        assert!(waited.is_ok(), "not synchronised again within {within:?}: {:?}", self.status.borrow());
    }

    async fn gone(&mut self) {
        timeout(MINUTE, self.status.wait_for(|status| !is_connected(status))).await.unwrap().unwrap();
    }

    /// From now, the end of the cause, until it is synchronised again.
    async fn tells_its_return(mut self, what: &str, sessions_before: u64) {
        let began = Instant::now();
        self.synced(sessions_before + 1, MINUTE).await;
        println!("\nback after {what}: {:.1} s", began.elapsed().as_secs_f64());
        self.cancel.cancel();
        self.task.await.unwrap();
        self.radio.shutdown().await;
    }
}

#[test]
fn after_a_lost_link() {
    story(async |stage| {
        let mut watched = Watched::begin(&stage).await;
        let sessions = watched.sessions();
        stage.lose_link(Wearable::Bridge, LOST_AFTER).await;
        watched.gone().await;
        watched.tells_its_return("a lost link", sessions).await;
    });
}

#[test]
fn after_a_restart_of_bluetoothd() {
    story(async |stage| {
        let mut watched = Watched::begin(&stage).await;
        let sessions = watched.sessions();
        stage.kill_bluetoothd().await;
        watched.gone().await;
        stage.start_bluetoothd().await;
        watched.tells_its_return("a restart of bluetoothd", sessions).await;
    });
}

#[test]
fn after_the_adapter_was_off() {
    story(async |stage| {
        let mut watched = Watched::begin(&stage).await;
        let sessions = watched.sessions();
        stage.power(false).await;
        watched.gone().await;
        stage.power(true).await;
        watched.tells_its_return("the adapter was off", sessions).await;
    });
}
