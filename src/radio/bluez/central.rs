//! The adapter as the rest of nowbridge sees it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::bonding::Pair;
use super::connecting::Connect;
use super::discovery::Scan;
use super::errand::Radio;
use super::ground::Footing;
use super::keeper::{Keeper, Voices};
use super::link::BluezLink;
use super::picture::Picture;
use super::recovering::{Disconnect, Forget, PowerCycle, StopDiscovery};
use crate::config::AdapterChoice;
use crate::radio::{Bond, Central, PairingDesk, PeerAddress, RadioError, RadioState, RecoveryStep, Sighting};

/// News of devices that may wait for a link. One that has missed some looks for itself.
const QUEUED_NEWS: usize = 1024;

/// An adapter of this computer, through BlueZ. Cheap to clone. Its tasks end with [`Self::shutdown`], or with the last clone.
#[derive(Clone, Debug)]
pub struct BluezCentral {
    radio: Radio,
    _stop: Arc<DropGuard>,
}

impl BluezCentral {
    /// Begins to look after an adapter. Never fails: whether there is one, and a bluetoothd, is what [`Central::state`] tells.
    pub fn start(choice: AdapterChoice) -> Self {
        let picture = Picture::new(choice);
        let state = watch::Sender::new(picture.state());
        let footing = watch::Sender::new(Footing::Unknown);
        let news = broadcast::Sender::new(QUEUED_NEWS);
        let (asleep, open_links) = (watch::Sender::new(false), watch::Sender::new(0));
        let radio = Radio {
            state: state.subscribe(),
            footing: footing.subscribe(),
            news: news.clone(),
            asleep: asleep.subscribe(),
            open: watch::Sender::new(BTreeSet::new()),
            open_links: open_links.clone(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            turn: Arc::new(Semaphore::new(1)),
            under_way: watch::Sender::new(None),
        };
        let keeper = Keeper::new(picture, Voices { state, footing, news }, asleep, open_links.subscribe());
        radio.tasks.spawn(keeper.run(radio.stop.clone()));
        let stop = Arc::new(radio.stop.clone().drop_guard());
        Self { radio, _stop: stop }
    }

    /// Closes every link and ends every task. Later calls fail.
    ///
    /// btleplug's own connection to the bus stays until the process ends: it gives no way to close it.
    pub async fn shutdown(&self) {
        self.radio.stop.cancel();
        self.radio.tasks.close();
        self.radio.tasks.wait().await;
    }
}

impl Central for BluezCentral {
    type Link = BluezLink;

    async fn scan(&self, window: Duration) -> Result<Vec<Sighting>, RadioError> {
        self.radio.send(Scan::new(window)).await
    }

    async fn connect(&self, peer: &PeerAddress) -> Result<BluezLink, RadioError> {
        self.radio.send(Connect::new(self.radio.clone(), as_bluez_writes(peer))).await
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        self.radio.state.clone()
    }

    async fn bond(&self, peer: &PeerAddress) -> Result<Bond, RadioError> {
        self.radio.ground().await?.bond(peer).await
    }

    async fn pair(&self, peer: &PeerAddress, desk: PairingDesk) -> Result<(), RadioError> {
        self.radio.send(Pair { peer: as_bluez_writes(peer), desk }).await
    }

    async fn forget(&self, peer: &PeerAddress) -> Result<bool, RadioError> {
        self.radio.send(Forget(as_bluez_writes(peer))).await
    }

    async fn recover(&self, step: RecoveryStep, peer: &PeerAddress) -> Result<(), RadioError> {
        tracing::info!(%peer, ?step, "The radio is being recovered.");
        match step {
            RecoveryStep::StopDiscovery => self.radio.send(StopDiscovery).await,
            RecoveryStep::DisconnectWatch => self.radio.send(Disconnect(as_bluez_writes(peer))).await,
            RecoveryStep::PowerCycle => self.radio.send(PowerCycle::new(self.radio.footing.clone())).await,
        }
    }
}

/// In capitals.
fn as_bluez_writes(peer: &PeerAddress) -> PeerAddress {
    PeerAddress(peer.0.trim().to_ascii_uppercase())
}
