//! The task that keeps an eye on bluetoothd and the adapter.
//!
//! It owns our connection to the system bus and is the only one that listens there. What it finds out becomes a [`RadioState`] for
//! everybody, a [`Ground`] for calls, and news of devices for links. It never waits for an answer without listening at
//! the same time: zbus stops reading, answers too, when its queue of signals is full.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::Duration;

use btleplug::api::{Central as _, Manager as _};
use btleplug::platform::{Adapter, Manager};
use futures_util::StreamExt as _;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use zbus::{Connection, MessageStream, OwnedObjectPath};

use super::error::{Fault, within};
use super::ground::{Footing, Ground, STEP_DEADLINE};
use super::picture::{Picture, Service};
use super::signals::{self, DeviceNews, Signal};
use super::standing::StandingAgent;
use super::survey::{self, Adapters};
use crate::backoff::Backoff;
use crate::radio::{RadioState, RadioTrouble};

/// A bus that is gone comes back with a reboot or an upgrade, so trying costs next to nothing; ten seconds are what a
/// watch may have to wait.
const RETRY_FLOOR: Duration = Duration::from_millis(250);
const RETRY_CEILING: Duration = Duration::from_secs(5);
/// Signals that may wait while other tasks keep ours from running.
const QUEUED_SIGNALS: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

/// What is being asked, so that the answer can come while signals do.
type Work = Pin<Box<dyn Future<Output = Found> + Send>>;

/// What was asked, and the answer.
enum Found {
    /// The adapters, or `None` if bluetoothd is not there.
    Adapters(Result<Option<Adapters>, Fault>),
    /// The adapter at this path, for GATT.
    Gatt(OwnedObjectPath, Result<(Manager, Adapter), Fault>, Option<StandingAgent>),
}

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
    asleep: watch::Receiver<bool>,
    /// btleplug's connection to the bus. Kept for as long as the bus lives: bluetoothd may come and go behind it, and the task that it
    /// has started ends with the bus only.
    gatt: Option<Manager>,
    /// Refuses whoever wants to pair unasked; without it, a read of a protected value would hang.
    agent: Option<StandingAgent>,
    ground: Option<Ground>,
    generation: u64,
    /// The adapters are to be looked at (again).
    stale: bool,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

impl Keeper {
    pub fn new(picture: Picture, voices: Voices, asleep: watch::Receiver<bool>) -> Self {
        let backoff = Backoff::new(RETRY_FLOOR, RETRY_CEILING, fastrand::Rng::new());
        Self {
            picture,
            voices,
            asleep,
            gatt: None,
            agent: None,
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
            // Both libraries lose the same bus.
            self.gatt = None;
            self.agent = None;
            self.publish();
            let again = Instant::now() + self.backoff.failed(Duration::ZERO);
            self.wait_until(again, &stop).await;
        }
        self.lose_ground();
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
        let mut listening = std::pin::pin!(within(STEP_DEADLINE, "match rules", signals::listen(bus)));
        let mut heard = false;
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
                    Some(Ok(message)) => self.hear(signals::read(&message)),
                    Some(Err(_)) | None => return,
                },
                listens = &mut listening, if !heard => match listens {
                    Ok(()) => heard = true,
                    Err(fault) => return tracing::warn!(%fault, "The system bus cannot be listened to."),
                },
                found = done(&mut work), if work.is_some() => {
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
            let bus = bus.clone();
            return Some(Box::pin(async move { Found::Adapters(survey::adapters(&bus).await) }));
        }
        if self.ground.is_some() {
            return None;
        }
        let (path, facts) = self.picture.usable()?;
        let path = OwnedObjectPath::try_from(path.as_str()).ok()?;
        let (manager, address) = (self.gatt.clone(), facts.address.clone());
        let (agent, bus) = (self.agent.take(), bus.clone());
        Some(Box::pin(async move {
            let agent = stand(agent, &bus).await;
            Found::Gatt(path, gatt(manager, &address).await, agent)
        }))
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
            Found::Gatt(adapter, Ok((manager, gatt)), agent) => {
                self.backoff.succeeded();
                self.agent = agent;
                self.gatt = Some(manager);
                self.generation += 1;
                let (bus, gone) = (bus.clone(), CancellationToken::new());
                self.ground = Some(Ground { generation: self.generation, bus, adapter, gatt, gone });
            }
            Found::Adapters(Err(fault)) => {
                self.stale = true;
                self.try_later(&fault);
            }
            Found::Gatt(_, Err(fault), agent) => {
                self.agent = agent;
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

    fn hear(&mut self, signal: Option<Signal>) {
        match signal {
            None => {}
            Some(Signal::Service(there)) => {
                // Also when one bluetoothd has replaced another: nothing of the former is left.
                self.lose_ground();
                self.picture.bluetoothd_gone();
                self.stale = there;
                self.retry_at = None;
            }
            Some(Signal::Adapter(path, values)) => self.adapter_changed(path, &values),
            Some(Signal::AdapterGone(path)) => {
                self.stale = true;
                self.picture.adapters.remove(&path);
            }
            Some(Signal::Device(adapter, news)) => self.pass_on(&adapter, news),
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

/// The adapter with this address, as btleplug knows it.
async fn gatt(manager: Option<Manager>, address: &str) -> Result<(Manager, Adapter), Fault> {
    let manager = match manager {
        Some(manager) => manager,
        None => within(STEP_DEADLINE, "a second connect to the system bus", dial()).await?,
    };
    let adapters = within(STEP_DEADLINE, "the adapters", manager.adapters()).await?;
    for adapter in adapters {
        let found = within(STEP_DEADLINE, "an adapter", adapter.adapter_address()).await?;
        if found.is_some_and(|found| found.to_string().eq_ignore_ascii_case(address)) {
            return Ok((manager, adapter));
        }
    }
    Err(Fault::new("", &format!("the adapter {address} is incomplete")))
}

/// libdbus connects in a blocking way, and a bus that hangs must not hang our threads.
async fn dial() -> Result<Manager, Fault> {
    let runtime = tokio::runtime::Handle::current();
    let dialled = tokio::task::spawn_blocking(move || runtime.block_on(Manager::new())).await;
    dialled.map_err(|error| Fault::new("", &error.to_string()))?.map_err(Into::into)
}

/// Registers our agent with a bluetoothd that may be a new one. Pairing is all that is missing without it.
async fn stand(agent: Option<StandingAgent>, bus: &Connection) -> Option<StandingAgent> {
    let stood = match agent {
        Some(agent) => agent.renew().await.map(|()| agent),
        None => StandingAgent::register(bus).await,
    };
    stood.inspect_err(|error| tracing::warn!(%error, "There is no pairing agent.")).ok()
}

async fn done(work: &mut Option<Work>) -> Found {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The next value; never, when nobody tells any more.
async fn changed(asleep: &mut watch::Receiver<bool>) -> bool {
    match asleep.changed().await {
        Ok(()) => *asleep.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}
