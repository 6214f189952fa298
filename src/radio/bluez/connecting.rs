//! Making a connection.

use std::time::Duration;

use btleplug::api::{Central as _, Peripheral as _};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{sleep, timeout};

use super::bus::DeviceProxy;
use super::discovery;
use super::ears::Ear;
use super::errand::{Errand, Radio};
use super::error::{Fault, Meaning, within};
use super::ground::{Ground, STEP_DEADLINE};
use super::link::BluezLink;
use super::signals::{DeviceEvent, DeviceNews};
use crate::radio::{LinkClosed, PeerAddress, RadioError};

/// From the first step to the last. BlueZ would take 30 s to find that nobody is there.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// A watch that advertises is heard within a few seconds; one that is away should not keep others waiting.
const DISCOVERY_DEADLINE: Duration = Duration::from_secs(8);
/// A link that breaks off while it is made is common since BlueZ 5.62, and mostly the next try succeeds.
const TRIES: u32 = 4;
/// Between two tries, at least and at most.
const PAUSE_MS: std::ops::Range<u64> = 100..500;
/// How long the former link of the same peer may take to close: about two seconds is what BlueZ takes.
const CLOSING_DEADLINE: Duration = Duration::from_secs(5);

/// A connect.
#[derive(Debug)]
pub(super) struct Connect {
    radio: Radio,
    peer: PeerAddress,
    begun: Begun,
}

/// What is to be undone if it fails now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Nothing,
    Discovery,
    Connect,
    /// Connected; the services are being read.
    Services,
}

/// Why a try failed.
enum Failure {
    /// Try again.
    Passing(RadioError),
    /// Do not.
    Final(RadioError),
    /// btleplug does not know or reach a device that BlueZ has just told us of.
    Deaf(Meaning),
}

impl Connect {
    pub fn new(radio: Radio, peer: PeerAddress) -> Self {
        Self { radio, peer, begun: Begun::Nothing }
    }

    /// Waits until the former link with this peer is closed: taking it over while it is being closed would end badly.
    async fn wait_for_former(&self) -> Result<(), RadioError> {
        let mut open = self.radio.open.subscribe();
        let closed = timeout(CLOSING_DEADLINE, open.wait_for(|open| !open.contains(&self.peer))).await;
        let still_open = || RadioError::Busy(format!("a link with {} is open already", self.peer));
        closed.map(drop).map_err(|_| still_open())
    }

    /// Has BlueZ know the device: one that is not paired is forgotten 30 s after its link has ended.
    async fn find(
        &mut self,
        ground: &Ground,
        news: &mut broadcast::Receiver<DeviceNews>,
    ) -> Result<(), RadioError> {
        match ground.connected(&self.peer).await? {
            Some(true) => {
                tracing::info!(peer = %self.peer, "BlueZ holds a link already, maybe for a process that has died; taking it over.");
                return Ok(());
            }
            Some(false) => return Ok(()),
            None => {}
        }
        self.begun = Begun::Discovery;
        let found = timeout(DISCOVERY_DEADLINE, discovery::find(ground, &self.peer, news)).await;
        // Before the connect, also because the two get into each other's way.
        discovery::stop(ground).await;
        self.begun = Begun::Nothing;
        found.unwrap_or_else(|_| Err(RadioError::NotFound(self.peer.clone())))
    }

    /// Who listens to the peer, from now on if nobody did before.
    async fn ear(&self, ground: &Ground) -> Result<Ear, Failure> {
        let path = ground.path(&self.peer).map_err(Failure::Final)?;
        if let Some(ear) = ground.ears.of(path.as_str()) {
            return Ok(ear);
        }
        let id = ground.id(&self.peer).map_err(Failure::Final)?;
        let deaf = |fault: Fault| Failure::Deaf(fault.meaning());
        let peripheral =
            within(STEP_DEADLINE, "a device", ground.gatt.peripheral(&id)).await.map_err(deaf)?;
        let (tasks, stop) = (&self.radio.tasks, self.radio.stop.clone());
        ground.ears.listen(path.as_str(), peripheral, tasks, stop).await.map_err(deaf)
    }

    async fn dial(
        &mut self,
        ground: &Ground,
        news: &mut broadcast::Receiver<DeviceNews>,
    ) -> Result<BluezLink, Failure> {
        let ear = self.ear(ground).await?;
        let heard = self.radio.news.subscribe();
        self.begun = Begun::Connect;
        let device = ground.device(&self.peer).await.map_err(Failure::Final)?;
        // Not through btleplug, see `ears`; its limit is that of the whole errand.
        match device.connect().await.map_err(Fault::from) {
            Err(fault) if fault.meaning() != Meaning::AlreadyConnected => {
                return Err(self.failure(ground, fault).await);
            }
            _ => self.begun = Begun::Services,
        }
        self.resolved(ground, &device, news).await?;
        match within(STEP_DEADLINE, "the services", ear.peripheral.discover_services()).await {
            Ok(()) => {}
            Err(fault) if fault.meaning() == Meaning::TimedOut => return Err(Failure::Deaf(fault.meaning())),
            Err(fault) => return Err(self.failure(ground, fault).await),
        }
        match ground.connected(&self.peer).await.map_err(Failure::Final)? {
            Some(true) => {}
            Some(false) | None => return Err(self.aborted()),
        }
        match BluezLink::open(&self.radio, ground, &self.peer, ear, heard).await {
            Ok(link) => {
                self.begun = Begun::Nothing;
                Ok(link)
            }
            Err(fault) => Err(Failure::Final(fault.into_radio(&self.peer, false, "a connect"))),
        }
    }

    /// Waits until BlueZ has read the services, or the link is gone again.
    async fn resolved(
        &self,
        ground: &Ground,
        device: &DeviceProxy<'static>,
        news: &mut broadcast::Receiver<DeviceNews>,
    ) -> Result<(), Failure> {
        loop {
            match within(STEP_DEADLINE, "a device", device.services_resolved()).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(fault) => return Err(self.failure(ground, fault).await),
            }
            if ended_or_resolved(&self.peer, news).await {
                return Err(self.aborted());
            }
        }
    }

    fn aborted(&self) -> Failure {
        Failure::Passing(RadioError::Aborted(self.peer.clone()))
    }

    async fn failure(&self, ground: &Ground, fault: Fault) -> Failure {
        tracing::debug!(peer = %self.peer, %fault, "A try to connect has failed.");
        match fault.meaning() {
            // Forgotten between two steps, or gone between connect and service discovery.
            Meaning::Aborted | Meaning::Unknown | Meaning::NotConnected => self.aborted(),
            Meaning::TimedOut => Failure::Final(self.too_late()),
            _ => Failure::Final(ground.explain(fault, &self.peer, "a connect").await),
        }
    }

    /// After a try that broke off: until BlueZ is through with it, and a little longer.
    async fn pause(
        &self,
        ground: &Ground,
        news: &mut broadcast::Receiver<DeviceNews>,
    ) -> Result<(), RadioError> {
        if ground.connected(&self.peer).await? == Some(true) {
            let _ = timeout(STEP_DEADLINE, lost(&self.peer, news)).await;
        }
        sleep(Duration::from_millis(fastrand::u64(PAUSE_MS))).await;
        Ok(())
    }
}

impl Errand for Connect {
    type Gain = BluezLink;

    const WHAT: &'static str = "a connect";

    fn limit(&self) -> Duration {
        CONNECT_DEADLINE
    }

    async fn run(&mut self, ground: &Ground) -> Result<BluezLink, RadioError> {
        self.wait_for_former().await?;
        let mut tries = 1;
        loop {
            let mut news = self.radio.news.subscribe();
            self.find(ground, &mut news).await?;
            match self.dial(ground, &mut news).await {
                Ok(link) => return Ok(link),
                // It may have been forgotten in between, but not each time.
                Err(Failure::Passing(_) | Failure::Deaf(Meaning::Unknown)) if tries < TRIES => {
                    self.pause(ground, &mut news).await?;
                }
                Err(Failure::Passing(error) | Failure::Final(error)) => return Err(error),
                Err(Failure::Deaf(meaning)) => {
                    tracing::warn!(peer = %self.peer, ?meaning, "btleplug's connection to the bus seems dead.");
                    ground.deaf.notify_one();
                    return Err(LinkClosed::RadioGone.into());
                }
            }
            tries += 1;
        }
    }

    fn too_late(&self) -> RadioError {
        match self.begun {
            Begun::Services => RadioError::Timeout("service discovery"),
            _ => RadioError::NotFound(self.peer.clone()),
        }
    }

    async fn clean_up(&mut self, ground: &Ground) {
        match self.begun {
            Begun::Nothing => {}
            Begun::Discovery => discovery::stop(ground).await,
            // Or BlueZ would go on trying and answer "in progress" to whoever asks next.
            Begun::Connect | Begun::Services => ground.disconnect(&self.peer).await,
        }
    }
}

/// Waits for the end of the link with `peer` (`true`), or for something after which its services may be known.
async fn ended_or_resolved(peer: &PeerAddress, news: &mut broadcast::Receiver<DeviceNews>) -> bool {
    loop {
        match news.recv().await {
            Ok(news) if news.peer != *peer => {}
            Ok(news) => match news.event {
                DeviceEvent::Disconnected(_) | DeviceEvent::Forgotten => return true,
                DeviceEvent::Resolved => return false,
                DeviceEvent::Appeared => {}
            },
            Err(RecvError::Lagged(_)) => return false,
            // The keeper has ended, and so does everything.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Waits until the link with `peer` is gone.
async fn lost(peer: &PeerAddress, news: &mut broadcast::Receiver<DeviceNews>) {
    while !ended_or_resolved(peer, news).await {}
}
