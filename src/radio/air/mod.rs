//! The virtual air: a radio without radio waves, for tests in virtual time and for demos in real or faster time.
//!
//! Peripherals are put on an [`Air`] and found through an [`AirCentral`], which is a [`Central`](super::Central) like the real
//! one. A [`LinkModel`] says how fast links are and [`Faults`] what goes wrong on them. All time is tokio's and all chance is
//! seeded, so that a paused clock makes a run exactly repeatable. [`serve_air`] and [`AirCentral::over_socket`] join two
//! processes through a Unix socket.

mod central;
mod faults;
mod link;
mod model;
mod peripheral;
mod session;
mod socket;
mod station;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::faults::Counts;
use self::station::{Command, Station};
use super::{CALL_DEADLINE, PeerAddress, RadioError, RadioState, RadioTrouble, Sighting};

pub use self::central::AirCentral;
pub use self::faults::{FaultCounts, Faults};
pub use self::link::AirLink;
pub use self::model::{LinkModel, Phy};
pub use self::peripheral::{Advertisement, AttError, Doorbell, Peripheral, Presence};
pub use self::socket::serve_air;

/// Centrals that may ask one peripheral at the same time before the next has to wait.
const WAITING_CENTRALS: usize = 8;
/// A watch on the other side of the room, dBm.
const SIGNAL_STRENGTH_DBM: i16 = -60;

/// What the air is like at the moment.
#[derive(Clone, Debug, Default)]
struct Conditions {
    faults: Faults,
    adapter_on: bool,
    out_of_range: BTreeSet<PeerAddress>,
}

/// How to reach a peripheral's task.
#[derive(Clone, Debug)]
struct Placed {
    commands: mpsc::Sender<Command>,
    removed: CancellationToken,
}

/// A place where peripherals are heard. Cheap to clone; when the last clone is dropped everything on it stops.
#[derive(Clone, Debug)]
pub struct Air(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    model: LinkModel,
    peripherals: watch::Sender<BTreeMap<PeerAddress, Placed>>,
    conditions: watch::Sender<Conditions>,
    state: watch::Sender<RadioState>,
    counts: Counts,
    tasks: TaskTracker,
    gone: CancellationToken,
    _stop_when_dropped: DropGuard,
}

impl Air {
    /// An empty air without faults, on which every link is like `model`.
    pub fn new(model: LinkModel) -> Self {
        let gone = CancellationToken::new();
        Self(Arc::new(Shared {
            model,
            peripherals: watch::Sender::default(),
            conditions: watch::Sender::new(Conditions { adapter_on: true, ..Conditions::default() }),
            state: watch::Sender::new(RadioState::Ready),
            counts: Counts::default(),
            tasks: TaskTracker::new(),
            _stop_when_dropped: gone.clone().drop_guard(),
            gone,
        }))
    }

    /// Puts a peripheral on the air, in the place of the one that had this address. Needs a tokio runtime.
    pub fn place(&self, address: PeerAddress, mut peripheral: impl Peripheral) {
        let doorbell = Doorbell::default();
        peripheral.take_doorbell(doorbell.clone());
        let (command_sender, commands) = mpsc::channel(WAITING_CENTRALS);
        let removed = self.0.gone.child_token();
        let station = Station {
            peripheral: Box::new(peripheral),
            model: self.0.model,
            dice: faults::Dice::new(&address, Arc::clone(&self.0.counts)),
            doorbell: doorbell.0,
            commands,
            conditions: self.0.conditions.subscribe(),
            removed: removed.clone(),
            air_gone: self.0.gone.clone(),
            address: address.clone(),
        };
        self.0.tasks.spawn(station.run());
        let placed = Placed { commands: command_sender, removed };
        self.0.peripherals.send_modify(|peripherals| {
            if let Some(former) = peripherals.insert(address, placed) {
                former.removed.cancel();
            }
        });
    }

    /// Takes a peripheral off the air; its link is lost at once.
    pub fn remove(&self, address: &PeerAddress) {
        self.0.peripherals.send_modify(|peripherals| {
            if let Some(placed) = peripherals.remove(address) {
                placed.removed.cancel();
            }
        });
    }

    /// Carries a peripheral out of range, or back. A link survives until the supervision timeout.
    pub fn set_in_range(&self, address: &PeerAddress, in_range: bool) {
        self.0.conditions.send_modify(|conditions| {
            if in_range {
                conditions.out_of_range.remove(address);
            } else {
                conditions.out_of_range.insert(address.clone());
            }
        });
    }

    /// Switches the centrals' adapter off or on. Off: links end as `RadioGone`, calls end as `NotReady`.
    pub fn set_adapter(&self, on: bool) {
        self.0.conditions.send_modify(|conditions| conditions.adapter_on = on);
        let state = if on { RadioState::Ready } else { RadioState::NotReady(RadioTrouble::AdapterOff) };
        self.0.state.send_if_modified(|old| std::mem::replace(old, state.clone()) != state);
    }

    /// From now on these faults happen, on open links too.
    pub fn set_faults(&self, faults: Faults) {
        self.0.conditions.send_modify(|conditions| conditions.faults = faults);
    }

    /// What went wrong so far.
    pub fn fault_counts(&self) -> FaultCounts {
        *self.0.counts.borrow()
    }

    /// What links are like here.
    pub fn model(&self) -> LinkModel {
        self.0.model
    }

    /// Ends every link and every task of this air, and waits for them. Nothing can be connected afterwards.
    pub async fn shutdown(&self) {
        self.0.gone.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn scan(&self, window: Duration) -> Result<Vec<Sighting>, RadioError> {
        self.check_adapter()?;
        sleep(window).await;
        self.check_adapter()?;
        let peripherals = self.0.peripherals.borrow().clone();
        let mut sightings = Vec::new();
        for (address, placed) in peripherals {
            // One that was removed in the meantime is silent.
            if let Ok(Some(advertisement)) = placed.ask(Command::Listen).await {
                let (name, services) = (advertisement.name, advertisement.services);
                let rssi = Some(SIGNAL_STRENGTH_DBM);
                sightings.push(Sighting { address, name, rssi, services, appearance: None, bonded: false });
            }
        }
        Ok(sightings)
    }

    /// A peripheral that does not answer is given up after the connect delay; a real adapter would try on for many seconds.
    async fn connect(&self, peer: &PeerAddress) -> Result<AirLink, RadioError> {
        let attempt = async {
            self.check_adapter()?;
            sleep(self.0.model.on_the_clock(self.0.model.connect_delay)).await;
            self.check_adapter()?;
            let placed = self.0.peripherals.borrow().get(peer).cloned();
            let answer = match placed {
                Some(placed) => placed.ask(Command::Connect).await.unwrap_or(Ok(None)),
                None => Ok(None),
            };
            answer?.ok_or_else(|| RadioError::NotFound(peer.clone()))
        };
        timeout(CALL_DEADLINE, attempt).await.unwrap_or(Err(RadioError::Timeout("a connect")))
    }

    fn check_adapter(&self) -> Result<(), RadioError> {
        if self.0.gone.is_cancelled() {
            let detail = "the virtual air was shut down".to_owned();
            return Err(RadioError::NotReady(RadioTrouble::NoService { detail }));
        }
        self.0.state.borrow().check()
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        self.0.state.subscribe()
    }
}

/// The peripheral was removed before it could answer.
struct Removed;

impl Placed {
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Removed> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(question(reply)).await.map_err(|_| Removed)?;
        answer.await.map_err(|_| Removed)
    }
}
