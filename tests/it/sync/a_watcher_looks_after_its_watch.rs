use std::sync::{Arc, Mutex};
use std::time::Duration;

use nowbridge::radio::air::{AirCentral, AirLink};
use nowbridge::radio::{Central, PeerAddress, RadioError, RadioState, Sighting};
use nowbridge::sync::{Mode, WaitReason, WatchState, WatchStatus, Watcher, WatcherConfig, WatcherSignals};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::sync::{Scene, address, worn_for};
use crate::support::watch::watch;

const HOUR: Duration = Duration::from_hours(1);
const FLOOR: Duration = Duration::from_secs(2);
const CEILING: Duration = Duration::from_mins(15);

/// A central that writes down when it was asked to connect.
#[derive(Clone)]
struct Diarist {
    central: AirCentral,
    connects: Arc<Mutex<Vec<Instant>>>,
}

impl Central for Diarist {
    type Link = AirLink;

    async fn scan(&self, window: Duration) -> Result<Vec<Sighting>, RadioError> {
        self.central.scan(window).await
    }

    async fn connect(&self, peer: &PeerAddress) -> Result<AirLink, RadioError> {
        self.connects.lock().unwrap().push(Instant::now());
        self.central.connect(peer).await
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        self.central.state()
    }
}

/// A watcher at work.
struct AtWork {
    status: watch::Receiver<WatchStatus>,
    signals: WatcherSignals,
    cancel: CancellationToken,
    task: JoinHandle<()>,
    connects: Arc<Mutex<Vec<Instant>>>,
}

impl AtWork {
    fn begin(scene: &Scene, mode: Mode) -> Self {
        let config = WatcherConfig { address: address(), name: None, mode, every: HOUR, seed: 5 };
        let (status, seen) = watch::channel(config.initial_status());
        let (signals, cancel, connects) =
            (WatcherSignals::default(), CancellationToken::new(), Arc::default());
        let central =
            Diarist { central: AirCentral::new(scene.air.clone()), connects: Arc::clone(&connects) };
        let watcher =
            Watcher::new(central, config, scene.outbox.clone(), scene.clock, status, signals.clone());
        let task = tokio::spawn(watcher.run(cancel.clone()));
        Self { status: seen, signals, cancel, task, connects }
    }

    /// Waits until the status is like this.
    async fn until(&mut self, within: Duration, like: impl FnMut(&WatchStatus) -> bool) -> WatchStatus {
        let found = timeout(within, self.status.wait_for(like)).await.map(|status| status.unwrap().clone());
        found.unwrap_or_else(|_| panic!("still {:?}", self.status.borrow()))
    }

    /// Whether another host can have the watch.
    async fn watch_is_free(&self, scene: &Scene) -> bool {
        AirCentral::new(scene.air.clone()).connect(&address()).await.is_ok()
    }

    fn waits(&self) -> Vec<Duration> {
        self.connects.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

const fn is_connected(status: &WatchStatus) -> bool {
    matches!(status.state, WatchState::Connected { .. })
}

const fn is_away(status: &WatchStatus) -> bool {
    matches!(status.state, WatchState::Waiting { reason: WaitReason::Away, .. })
}

async fn sessions(scene: &Scene) -> usize {
    scene.outbox.sessions(1_000).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn one_that_was_away_is_collected_when_it_comes_back() {
    let scene = Scene::new(worn_for(6)).await;
    scene.air.set_in_range(&address(), false);
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    sleep(10 * HOUR).await;
    let status = at_work.until(CEILING, is_away).await;
    assert_eq!((status.device, status.complete_at), (None, None));
    let waits = at_work.waits();
    // The last wait before and a look now and then, but no hammering.
    assert!((40..120).contains(&waits.len()), "{}", waits.len());
    assert!(waits.iter().all(|wait| (FLOOR..CEILING + FLOOR).contains(wait)), "{waits:?}");

    scene.air.set_in_range(&address(), true);
    let status = at_work.until(CEILING + FLOOR, is_connected).await;
    assert!(status.device.is_some() && status.complete_at.is_some());
    assert_eq!(scene.stored_log().blocks, scene.offered());
    timeout(FLOOR, at_work.signals.arrivals.notified()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_is_made_again() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(HOUR, is_connected).await;
    scene.record_events(100);
    scene.air.set_in_range(&address(), false);
    let broken = at_work.until(HOUR / 2, |status| !is_connected(status)).await;
    let WatchState::Waiting { reason: WaitReason::Failed { detail, failures: 1 }, .. } = broken.state else {
        panic!("{broken:?}");
    };
    assert!(detail.contains("out of range"), "{detail}");
    scene.air.set_in_range(&address(), true);
    let start = Instant::now();
    at_work.until(2 * FLOOR + FLOOR, is_connected).await;
    assert!(start.elapsed() >= FLOOR);
    assert_eq!(scene.stored_log().blocks, scene.offered());
}

#[tokio::test(start_paused = true)]
async fn it_stays_or_gives_the_watch_back() {
    for mode in [Mode::Stay, Mode::Release] {
        let scene = Scene::new(worn_for(6)).await;
        let mut at_work = AtWork::begin(&scene, mode);
        let status = at_work.until(HOUR, |status| status.complete_at.is_some() && !is_syncing(status)).await;
        assert_eq!(is_connected(&status), mode == Mode::Stay);
        assert_eq!(at_work.watch_is_free(&scene).await, mode == Mode::Release);
        if mode == Mode::Release {
            assert!(matches!(status.state, WatchState::Waiting { reason: WaitReason::Scheduled, .. }));
        }
        // A session takes a second or so.
        sleep(10 * HOUR + HOUR / 60).await;
        assert_eq!(sessions(&scene).await, 10 + 1, "{mode:?}");
        let connects = at_work.connects.lock().unwrap().len();
        assert_eq!(connects, if mode == Mode::Stay { 1 } else { 10 + 1 });
    }
}

const fn is_syncing(status: &WatchStatus) -> bool {
    matches!(status.state, WatchState::Syncing(_) | WatchState::Connecting)
}

#[tokio::test(start_paused = true)]
async fn it_comes_at_once_when_it_is_called() {
    for mode in [Mode::Stay, Mode::Release] {
        let scene = Scene::new(worn_for(6)).await;
        let mut at_work = AtWork::begin(&scene, mode);
        at_work.until(HOUR, |status| status.complete_at.is_some() && !is_syncing(status)).await;
        scene.record_events(10);
        at_work.signals.sync_now.notify_one();
        at_work.until(FLOOR, is_syncing).await;
        at_work.until(FLOOR, |status| !is_syncing(status)).await;
        assert_eq!(scene.stored_log().blocks, scene.offered(), "{mode:?}");
    }
    // Also while it waits after a failure.
    let scene = Scene::new(worn_for(6)).await;
    scene.air.set_in_range(&address(), false);
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    sleep(10 * HOUR).await;
    at_work.until(CEILING, is_away).await;
    scene.air.set_in_range(&address(), true);
    at_work.signals.sync_now.notify_one();
    at_work.until(2 * FLOOR, is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_once_when_it_is_told() {
    for after_ms in [0, 300, 450, 700, 1_000, 4_000_000] {
        for in_range in [true, false] {
            let scene = Scene::new(watch(64)).await;
            scene.record_events(1_000);
            scene.air.set_in_range(&address(), in_range);
            let at_work = AtWork::begin(&scene, Mode::Stay);
            sleep(Duration::from_millis(after_ms)).await;
            let start = Instant::now();
            at_work.cancel.cancel();
            at_work.task.await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO, "after {after_ms} ms");
            assert_eq!(at_work.status.borrow().state, WatchState::Stopped);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_nothing_until_something_is_due() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(HOUR, is_connected).await;
    at_work.status.mark_unchanged();
    let almost = Duration::from_mins(59);
    assert!(timeout(almost, at_work.status.changed()).await.is_err(), "{:?}", at_work.status.borrow());
    assert_eq!(sessions(&scene).await, 1);
    timeout(Duration::from_mins(2), at_work.status.changed()).await.unwrap().unwrap();
}
