//! The task that keeps an eye on bluetoothd and the adapter.
//!
//! It owns our connection to the system bus and is the only one that listens there. What it finds out becomes a [`RadioState`] for
//! everybody, a [`Ground`] for calls, and news of devices for links. It never waits for an answer without listening at
//! the same time: zbus stops reading, answers too, when its queue of signals is full.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use zbus::{Connection, MessageStream, OwnedObjectPath};

use super::error::{Fault, within};
use super::ground::{Footing, Ground, STEP_DEADLINE};
use super::inquiry::{self, Found, Gatt, Work};
use super::picture::{Picture, Service};
use super::signals::{self, DeviceNews, Signal};
use super::sleep;
use super::standing::StandingAgent;
use super::survey;
use crate::backoff::Backoff;
use crate::radio::{RadioState, RadioTrouble};

/// A bus that is gone comes back with a reboot or an upgrade, so trying costs next to nothing; ten seconds are what a
/// watch may have to wait.
const RETRY_FLOOR: Duration = Duration::from_millis(250);
const RETRY_CEILING: Duration = Duration::from_secs(5);
/// So many failures in a row of btleplug's connection alone, and it is made anew.
const DEAF_AFTER: u32 = 8;
/// Signals that may wait while other tasks keep ours from running.
const QUEUED_SIGNALS: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

/// The ends that the keeper speaks into.
#[derive(Debug)]
pub(super) struct Voices {
    pub state: watch::Sender<RadioState>,
    pub footing: watch::Sender<Footing>,
    pub news: broadcast::Sender<DeviceNews>,
}

/// The task's own.
pub(super) struct Keeper {
    picture: Picture,
    voices: Voices,
    told_of_sleep: watch::Sender<bool>,
    asleep: watch::Receiver<bool>,
    open_links: watch::Receiver<usize>,
    /// btleplug's connection to the bus. Kept for as long as the bus lives: bluetoothd may come and go behind it, and the task that it
    /// has started ends with the bus only.
    gatt: Option<Gatt>,
    /// Refuses whoever wants to pair unasked; without it, a read of a protected value would hang.
    agent: Option<StandingAgent>,
    /// Rung when that connection is dead though ours is not: the bus throws out who does not keep up.
    deaf: Arc<Notify>,
    ground: Option<Ground>,
    generation: u64,
    /// The adapters are to be looked at (again).
    stale: bool,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

impl Keeper {
    pub fn new(
        picture: Picture,
        voices: Voices,
        asleep: watch::Sender<bool>,
        open_links: watch::Receiver<usize>,
    ) -> Self {
        let backoff = Backoff::new(RETRY_FLOOR, RETRY_CEILING, fastrand::Rng::new());
        Self {
            picture,
            voices,
            asleep: asleep.subscribe(),
            told_of_sleep: asleep,
            open_links,
            gatt: None,
            agent: None,
            deaf: Arc::default(),
            ground: None,
            generation: 0,
            stale: false,
            retry_at: None,
            backoff,
        }
    }

    /// Runs until stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match within(STEP_DEADLINE, "a connect to the system bus", connect()).await {
                Ok(bus) => {
                    self.stale = true;
                    self.follow(&bus, &stop).await;
                    self.picture.service_gone("the system bus (D-Bus) has closed the connection".to_owned());
                }
                Err(fault) => self.picture.service_gone(format!(
                    "there is no system bus (D-Bus): {fault}; start it with `systemctl start dbus`"
                )),
            }
            if stop.is_cancelled() {
                break;
            }
            // Both libraries lose the same bus.
            self.gatt = None;
            self.agent = None;
            self.publish();
            let again = Instant::now() + self.backoff.failed(Duration::ZERO);
            self.wait_until(again, &stop).await;
        }
        // The ground stays: links are being closed on it.
        if let Some(agent) = self.agent.take() {
            agent.release().await;
        }
    }

    /// Waits for the next try, but keeps an eye on sleep.
    async fn wait_until(&mut self, again: Instant, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                asleep = changed(&mut self.asleep) => self.picture.asleep = asleep,
                () = sleep_until(again) => return,
            }
            self.publish();
        }
    }

    /// Follows what happens on one connection until it is lost.
    async fn follow(&mut self, bus: &Connection, stop: &CancellationToken) {
        let mut stream = MessageStream::from(bus);
        let mut listening = pin!(within(STEP_DEADLINE, "match rules", signals::listen(bus)));
        let mut attending = pin!(self.attend_to_sleep(bus, stop));
        let (mut heard, mut attends) = (false, true);
        let mut work: Option<Work> = None;
        loop {
            if heard && work.is_none() && self.retry_at.is_none() {
                work = self.next_work(bus);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                asleep = changed(&mut self.asleep) => self.picture.asleep = asleep,
                message = stream.next() => match message {
                    Some(Ok(message)) => match signals::read(&message) {
                        Some(signal) => self.hear(signal),
                        None => continue,
                    },
                    Some(Err(_)) | None => return,
                },
                listens = &mut listening, if !heard => match listens {
                    Ok(()) => heard = true,
                    Err(fault) => return tracing::warn!(%fault, "The system bus cannot be listened to."),
                },
                () = self.deaf.notified() => {
                    self.gatt = None;
                    self.lose_ground();
                }
                () = &mut attending, if attends => attends = false,
                found = inquiry::done(&mut work), if work.is_some() => {
                    work = None;
                    self.take(bus, found);
                }
                () = until(self.retry_at), if self.retry_at.is_some() => self.retry_at = None,
            }
            self.publish();
        }
    }

    /// What is to be asked next, if anything.
    fn next_work(&mut self, bus: &Connection) -> Option<Work> {
        if std::mem::take(&mut self.stale) {
            return Some(inquiry::adapters(bus.clone()));
        }
        if self.ground.is_some() {
            return None;
        }
        let (path, facts) = self.picture.usable()?;
        let path = OwnedObjectPath::try_from(path.as_str()).ok()?;
        let address = facts.address.clone();
        Some(inquiry::raise(bus.clone(), path, address, self.gatt.clone(), self.agent.take()))
    }

    /// Runs beside the rest on this connection.
    fn attend_to_sleep(
        &self,
        bus: &Connection,
        stop: &CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        sleep::attend(bus.clone(), self.told_of_sleep.clone(), self.open_links.clone(), stop.clone())
    }

    fn take(&mut self, bus: &Connection, found: Found) {
        match found {
            Found::Adapters(Ok(adapters)) => {
                self.backoff.succeeded();
                match adapters {
                    Some(adapters) => {
                        self.picture.service = Service::There;
                        self.picture.adapters = adapters;
                    }
                    None => self.picture.bluetoothd_gone(),
                }
            }
            Found::Gatt(adapter, Ok((known, gatt)), agent) => {
                self.backoff.succeeded();
                self.agent = agent;
                let ears = known.ears.clone();
                self.gatt = Some(known);
                self.generation += 1;
                let (bus, gone) = (bus.clone(), CancellationToken::new());
                let (generation, deaf) = (self.generation, Arc::clone(&self.deaf));
                self.ground = Some(Ground { generation, bus, adapter, gatt, ears, deaf, gone });
            }
            Found::Adapters(Err(fault)) => {
                self.stale = true;
                self.try_later(&fault);
            }
            Found::Gatt(_, Err(fault), agent) => {
                self.agent = agent;
                // Our own connection lives and hears of usable adapters, so btleplug's alone may have died, and would stay dead.
                // Its file is never closed: only one that failed for good, or again and again, is given up for a new one.
                if fault.is_of_a_dead_connection() || self.backoff.failures() >= DEAF_AFTER {
                    self.gatt = None;
                    self.backoff.succeeded();
                }
                self.try_later(&fault);
            }
        }
    }

    fn try_later(&mut self, fault: &Fault) {
        tracing::debug!(%fault, "The Bluetooth service did not answer as it should.");
        if self.stale && self.ground.is_none() {
            self.picture.service_gone(format!("the Bluetooth service does not answer: {fault}"));
        }
        self.retry_at = Some(Instant::now() + self.backoff.failed(Duration::ZERO));
    }

    fn hear(&mut self, signal: Signal) {
        match signal {
            Signal::Service(there) => {
                // Also when one bluetoothd has replaced another: nothing of the former is left.
                self.lose_ground();
                self.picture.bluetoothd_gone();
                self.stale = there;
                self.retry_at = None;
            }
            Signal::Adapter(path, values) => self.adapter_changed(path, &values),
            Signal::AdapterGone(path) => {
                self.stale = true;
                self.picture.adapters.remove(&path);
            }
            Signal::Device(adapter, news) => self.pass_on(&adapter, news),
        }
    }

    fn pass_on(&self, adapter: &str, news: DeviceNews) {
        if self.ground.as_ref().is_some_and(|ground| ground.adapter.as_str() == adapter) {
            // Nobody listens while there is neither a link nor a connect.
            let _ = self.voices.news.send(news);
        }
    }

    fn adapter_changed(&mut self, path: String, values: &signals::Values) {
        let facts = self.picture.adapters.entry(path).or_default();
        let before = facts.clone();
        survey::update(facts, values);
        // An answer to an earlier question may be on its way that does not know this yet; and of an adapter that was only
        // now seen not all may be known.
        self.stale |= *facts != before;
    }

    /// Makes public what is known, and takes away ground that is none any more.
    fn publish(&mut self) {
        let usable = self.picture.usable().map(|(path, _)| path.as_str());
        if self.ground.as_ref().is_some_and(|ground| usable != Some(ground.adapter.as_str())) {
            self.lose_ground();
        }
        let Some(footing) = self.footing() else { return };
        let state = match &footing {
            Footing::On(_) | Footing::Unknown => self.picture.state(),
            Footing::None(trouble) => RadioState::NotReady(trouble.clone()),
        };
        self.voices.footing.send_if_modified(|old| replace_footing(old, footing));
        self.voices.state.send_if_modified(|old| {
            let changed = *old != state;
            if changed {
                tracing::info!(?state, "The radio's state has changed.");
                *old = state;
            }
            changed
        });
    }

    /// `None` while the answer is on its way and nothing has to be taken back meanwhile.
    fn footing(&self) -> Option<Footing> {
        if let Some(ground) = &self.ground {
            return Some(Footing::On(ground.clone()));
        }
        match self.picture.trouble() {
            Some(_) if self.picture.service == Service::Unasked => None,
            Some(trouble) => Some(Footing::None(trouble)),
            None => {
                let stood = matches!(*self.voices.footing.borrow(), Footing::On(_));
                (stood || self.retry_at.is_some()).then(|| Footing::None(not_yet()))
            }
        }
    }

    fn lose_ground(&mut self) {
        if let Some(ground) = self.ground.take() {
            tracing::info!(generation = ground.generation, "The Bluetooth service or the adapter is gone.");
            ground.gone.cancel();
        }
    }
}

fn not_yet() -> RadioTrouble {
    RadioTrouble::NoService { detail: "the Bluetooth service does not answer yet".to_owned() }
}

fn replace_footing(old: &mut Footing, new: Footing) -> bool {
    let same = match (&*old, &new) {
        (Footing::On(old), Footing::On(new)) => old.generation == new.generation,
        (Footing::None(old), Footing::None(new)) => old == new,
        _ => false,
    };
    if !same {
        *old = new;
    }
    !same
}

async fn connect() -> zbus::Result<Connection> {
    zbus::connection::Builder::system().max_queued(QUEUED_SIGNALS).build().await
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The next value.
async fn changed(asleep: &mut watch::Receiver<bool>) -> bool {
    match asleep.changed().await {
        Ok(()) => *asleep.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}
