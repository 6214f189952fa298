//! A visit to the watch: from the attempt to connect to the end of the link.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::{Central, Watcher};
use crate::outbox::Binding;
use crate::radio::{CALL_DEADLINE, Link, LinkClosed, RadioError};
use crate::sync::slots::{Slot, Turn};
use crate::sync::{Kept, SyncError, WatchState};
use crate::watch::{Driver, DriverName, Identity, Opened, WatchError, open};
use crate::wire::bridge::DeviceId;

/// A radio ends each call in time; this is for one that breaks its promise.
const CONNECT_DEADLINE: Duration = CALL_DEADLINE.saturating_add(Duration::from_secs(5));
/// Subscribing and asking who it is are a few calls each. A device that answers every one at the last moment is of no use.
const OPEN_DEADLINE: Duration = Duration::from_secs(30);
/// BlueZ takes two seconds to close a link. Whoever stops waiting still drops it, which closes it, too.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// Why a link ended may be told a moment after what was lost by it.
const WORD_OF_THE_END: Duration = Duration::from_millis(500);
/// A link that lasted so long was one.
const STEADY: Duration = Duration::from_mins(1);

/// How a visit ended.
#[derive(Debug)]
pub enum Ending {
    /// Everything is fetched, and the link was given back until the next session is due.
    Done {
        /// When it is.
        due: Instant,
    },
    /// The link was given to another watch; this one would like the next that is free.
    TurnOver,
    /// Something stands in the way; the gates know what.
    Obstructed,
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<C: Central> Watcher<C> {
    /// One connection to the watch, and whatever its driver can do with it.
    pub(super) async fn visit(&mut self, turn: Turn, kept: &mut Kept) -> Ending {
        self.board.show(WatchState::Connecting);
        self.board.count(|counts| counts.connects += 1);
        let (opened, slot) = tokio::select! {
            biased;
            _ = self.gates.shut() => return Ending::Obstructed,
            reached = self.reach(turn) => match reached {
                Ok(reached) => reached,
                Err(failure) => return failure.into(),
            },
            never = kept.keep_saving(&self.arrivals) => match never {},
        };
        let began = Instant::now();
        let ending = match opened {
            Opened::Bridge(bridge) => self.collect_from(bridge, &slot).await,
            Opened::Sensor(sensor) => self.listen_to(sensor, &slot, kept).await,
        };
        if began.elapsed() >= STEADY || matches!(ending, Ending::Done { .. }) {
            self.policy.was_of_use();
        }
        ending
    }

    async fn reach(&self, turn: Turn) -> Result<(Opened<C::Link>, Slot), Failure> {
        let connect = timeout(CONNECT_DEADLINE, self.central.connect(&self.config.address)).await;
        let link = connect.unwrap_or(Err(RadioError::Timeout("a connect")));
        let link = link.map_err(|error| Failure::of(&error.into(), false))?;
        let slot = turn.connected();
        let opened = timeout(OPEN_DEADLINE, open(link)).await;
        let opened = opened.unwrap_or(Err(RadioError::Timeout("a subscription").into()));
        Ok((opened.map_err(|error| Failure::of(&error, false))?, slot))
    }

    /// Makes sure that the device is the one that was here before. Nothing of it is filed until that is known.
    /// `used`: something has come over this link already.
    pub(super) async fn meet<D: Driver>(
        &mut self,
        driver: &mut D,
        used: bool,
    ) -> Result<(DeviceId, Identity), Ending> {
        let identity = tokio::select! {
            biased;
            _ = self.gates.shut() => return Err(Ending::Obstructed),
            identity = timeout(OPEN_DEADLINE, driver.identify()) => identity,
        };
        let identity = identity.unwrap_or(Err(RadioError::Timeout("who it is").into()));
        let identity = match identity {
            Ok(identity) => identity,
            Err(error) => return Err(failure_over(driver.link(), &error, used).await.into()),
        };
        let told = identity.device.unwrap_or_else(|| DeviceId::of_address(&self.config.address.0));
        let device = self.bind(D::NAME, told).await?;
        self.policy.reached();
        self.board.met(device, D::NAME, &identity);
        Ok((device, identity))
    }

    /// Under what the device is filed that calls itself `told`, unless it is a stranger.
    async fn bind(&self, driver: DriverName, told: DeviceId) -> Result<DeviceId, Failure> {
        let address = &self.config.address;
        let bound = match driver {
            // A serial number is the maker's word, and some makers give every strap the same.
            DriverName::Sensor => self.outbox.bind_sensor(address, told).await,
            DriverName::Bridge => self.outbox.bind_peer(address, told).await.map(|binding| (binding, told)),
        };
        match bound {
            Ok((Binding::Other(before), now)) => {
                Err(Failure::Stranger { now, before, address: address.to_string() })
            }
            Ok((Binding::New | Binding::Same, device)) => {
                if device != told && self.board.is_new(device) {
                    tracing::warn!(
                        watch = %address, %told, filed_as = %device,
                        "Another device tells the same serial number; this one is known by its address."
                    );
                }
                Ok(device)
            }
            Err(error) => Err(Failure::Store(SyncError::Outbox(error).to_string())),
        }
    }
}

/// Closes the link, in the time that closing may take.
pub async fn close<D: Driver>(driver: D) {
    // The link is dropped at the latest now.
    let _ = timeout(CLOSE_DEADLINE, driver.close()).await;
}

/// Why the link ended, if it has.
pub async fn end_of<L: Link>(link: &L) -> Option<LinkClosed> {
    timeout(WORD_OF_THE_END, link.closed()).await.ok()
}

/// What an error over a link means: if the link is gone, that is why.
async fn failure_over<L: Link>(link: &L, error: &WatchError, used: bool) -> Failure {
    match end_of(link).await {
        Some(closed) => Failure::of_closed(closed, used),
        None => Failure::of(error, used),
    }
}
