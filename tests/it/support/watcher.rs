//! A watcher at work, over a radio that keeps a diary and misbehaves when it is told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::outbox::Outbox;
use nowbridge::radio::air::{Air, AirCentral, AirLink};
use nowbridge::radio::{
    Bond, CALL_DEADLINE, Central, Link, LinkClosed, Notifications, PeerAddress, RadioError, RadioState,
    RecoveryStep, Sighting, WriteMode,
};
use nowbridge::sync::{
    Mode, Recovery, Shared, Slots, WaitReason, WatchState, WatchStatus, Watcher, WatcherConfig,
    WatcherSignals,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::sync::{Scene, address};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);
/// Whatever was in the way: so soon the watch is connected and syncing again.
pub const BACK_WITHIN: Duration = Duration::from_secs(10);

type Error = fn(&PeerAddress) -> RadioError;

/// What a radio did, and what it shall do.
#[derive(Default)]
pub struct Diary {
    /// When it was asked to connect, and whom.
    pub connects: Vec<(Instant, PeerAddress)>,
    /// Steps of recovery that it took.
    pub steps: Vec<(Instant, RecoveryStep)>,
    /// The most links that were open at a time.
    pub most_links: usize,
    /// Every connect ends like this from now on.
    pub error: Option<Error>,
    /// Every write over a link ends like this from now on.
    pub write_error: Option<Error>,
    /// Whether the host holds a bond with every watch.
    pub bonded: bool,
    links: usize,
}

/// A radio on the virtual air.
#[derive(Clone)]
pub struct Radio {
    central: AirCentral,
    diary: Arc<Mutex<Diary>>,
    mute: Arc<AtomicBool>,
}

impl Radio {
    pub fn new(air: &Air) -> Self {
        let (diary, mute) = (Arc::default(), Arc::default());
        Self { central: AirCentral::new(air.clone()), diary, mute }
    }

    pub fn diary(&self) -> MutexGuard<'_, Diary> {
        self.diary.lock().unwrap()
    }

    /// From now on every connect ends like this.
    pub fn fail(&self, error: Error) {
        self.diary().error = Some(error);
    }

    /// From now on links open, but every write over one ends like this.
    pub fn fail_writes(&self, error: Error) {
        self.diary().write_error = Some(error);
    }

    /// From now on connects and writes are as the air makes them.
    pub fn mend(&self) {
        let mut diary = self.diary();
        (diary.error, diary.write_error) = (None, None);
    }

    /// From now on no open link answers, and none ends.
    pub fn set_mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::Relaxed);
    }

    pub fn connects(&self) -> usize {
        self.diary().connects.len()
    }

    /// Between each two connects.
    pub fn waits(&self) -> Vec<Duration> {
        self.diary().connects.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

impl Central for Radio {
    type Link = RadioLink;

    async fn scan(&self, window: Duration) -> Result<Vec<Sighting>, RadioError> {
        self.central.scan(window).await
    }

    async fn connect(&self, peer: &PeerAddress) -> Result<RadioLink, RadioError> {
        let error = {
            let mut diary = self.diary();
            diary.connects.push((Instant::now(), peer.clone()));
            diary.error
        };
        if let Some(error) = error {
            return Err(error(peer));
        }
        let link = self.central.connect(peer).await?;
        let mut diary = self.diary();
        diary.links += 1;
        diary.most_links = diary.most_links.max(diary.links);
        let peer = peer.clone();
        Ok(RadioLink { link, peer, diary: Arc::clone(&self.diary), mute: Arc::clone(&self.mute) })
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        self.central.state()
    }

    async fn bond(&self, _peer: &PeerAddress) -> Result<Bond, RadioError> {
        Ok(if self.diary().bonded { Bond::Bonded } else { Bond::None })
    }

    async fn recover(&self, step: RecoveryStep, _peer: &PeerAddress) -> Result<(), RadioError> {
        self.diary().steps.push((Instant::now(), step));
        Ok(())
    }
}

/// A link that is counted while it is open.
pub struct RadioLink {
    link: AirLink,
    peer: PeerAddress,
    diary: Arc<Mutex<Diary>>,
    mute: Arc<AtomicBool>,
}

impl Drop for RadioLink {
    fn drop(&mut self) {
        // A story that has failed tells why by itself.
        if let Ok(mut diary) = self.diary.lock() {
            diary.links -= 1;
        }
    }
}

impl Link for RadioLink {
    fn characteristics(&self) -> Vec<Uuid> {
        self.link.characteristics()
    }

    fn mtu(&self) -> u16 {
        self.link.mtu()
    }

    async fn read(&self, characteristic: Uuid) -> Result<Vec<u8>, RadioError> {
        if self.mute.load(Ordering::Relaxed) {
            sleep(CALL_DEADLINE).await;
            return Err(RadioError::Timeout("a read"));
        }
        self.link.read(characteristic).await
    }

    async fn write(&self, characteristic: Uuid, value: Vec<u8>, mode: WriteMode) -> Result<(), RadioError> {
        let error = self.diary.lock().unwrap().write_error;
        match error {
            Some(error) => Err(error(&self.peer)),
            None => self.link.write(characteristic, value, mode).await,
        }
    }

    async fn subscribe(&self, characteristic: Uuid) -> Result<Notifications, RadioError> {
        self.link.subscribe(characteristic).await
    }

    async fn closed(&self) -> LinkClosed {
        self.link.closed().await
    }

    async fn disconnect(&self) {
        self.link.disconnect().await;
    }
}

/// A watcher at work.
pub struct AtWork {
    pub status: watch::Receiver<WatchStatus>,
    pub signals: WatcherSignals,
    pub cancel: CancellationToken,
    pub task: JoinHandle<()>,
    pub radio: Radio,
}

/// Links enough for everybody, and a ladder with all its steps.
pub fn alone() -> Shared {
    Shared { slots: Slots::new(4), recovery: Recovery::new(true) }
}

/// A watcher of the watch of every scene, once an hour.
pub fn config(mode: Mode) -> WatcherConfig {
    WatcherConfig { address: address(), name: None, mode, every: HOUR, quiet: None, seed: 5 }
}

impl AtWork {
    pub fn begin(scene: &Scene, mode: Mode) -> Self {
        Self::begin_with(scene, &Radio::new(&scene.air), config(mode), alone())
    }

    pub fn begin_with(scene: &Scene, radio: &Radio, config: WatcherConfig, shared: Shared) -> Self {
        Self::begin_over(&scene.outbox, scene.clock, radio, config, shared)
    }

    pub fn begin_over(
        outbox: &Outbox,
        clock: Clock,
        radio: &Radio,
        config: WatcherConfig,
        shared: Shared,
    ) -> Self {
        let (status, seen) = watch::channel(config.initial_status());
        let (signals, cancel) = (WatcherSignals::default(), CancellationToken::new());
        let (central, outbox) = (radio.clone(), outbox.clone());
        let watcher = Watcher::new(central, config, outbox, clock, status, signals.clone(), shared);
        let task = tokio::spawn(watcher.run(cancel.clone()));
        Self { status: seen, signals, cancel, task, radio: radio.clone() }
    }

    /// Waits until the status is like this.
    pub async fn until(&mut self, within: Duration, like: impl FnMut(&WatchStatus) -> bool) -> WatchStatus {
        let found = timeout(within, self.status.wait_for(like)).await.map(|status| status.unwrap().clone());
        found.unwrap_or_else(|_| panic!("still {:?}", self.status.borrow()))
    }

    /// Waits until a state of this name.
    pub async fn until_state(&mut self, within: Duration, name: &str) -> WatchStatus {
        self.until(within, |status| status.state.name() == name).await
    }

    pub fn state(&self) -> WatchState {
        self.status.borrow().state.clone()
    }

    /// Ends it and waits for its end.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }
}

pub const fn is_connected(status: &WatchStatus) -> bool {
    matches!(status.state, WatchState::Connected { .. })
}

pub const fn is_away(status: &WatchStatus) -> bool {
    matches!(status.state, WatchState::Waiting { reason: WaitReason::Away, .. })
}

pub const fn is_syncing(status: &WatchStatus) -> bool {
    matches!(status.state, WatchState::Syncing(_) | WatchState::Connecting)
}
