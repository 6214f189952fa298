//! What every call stands on: one run of bluetoothd with our adapter switched on in it.
//!
//! When bluetoothd restarts or the adapter goes, no event tells the links; the keeper takes their ground away, and they end. What comes
//! next is another ground with the next number. No object path outlives one.

use std::sync::Arc;
use std::time::Duration;

use bluez_async::DeviceId;
use btleplug::platform::{Adapter, PeripheralId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use zbus::{Connection, OwnedObjectPath};

use super::address::device_path;
use super::bus::{self, AdapterProxy, DeviceProxy};
use super::ears::Ears;
use super::error::{Fault, Meaning, within};
use crate::radio::{Bond, PeerAddress, RadioError, RadioTrouble};

/// How long a call may take that involves no radio.
pub(super) const STEP_DEADLINE: Duration = Duration::from_secs(5);

/// One run of bluetoothd with our adapter.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// Counts up.
    pub generation: u64,
    /// Our own connection to the bus.
    pub bus: Connection,
    /// Where the adapter is this time.
    pub adapter: OwnedObjectPath,
    /// The same adapter, for GATT.
    pub gatt: Adapter,
    /// Who listens over the same connection.
    pub ears: Ears,
    /// Rung when btleplug's connection to the bus turns out to be dead though ours is not.
    pub deaf: Arc<Notify>,
    /// Cancelled when bluetoothd or the adapter has gone.
    pub gone: CancellationToken,
}

/// Whether there is ground.
#[derive(Clone, Debug)]
pub(super) enum Footing {
    /// Not found out yet.
    Unknown,
    /// There is none.
    None(RadioTrouble),
    /// There is.
    On(Ground),
}

impl Ground {
    /// Where BlueZ keeps the device.
    pub fn path(&self, peer: &PeerAddress) -> Result<OwnedObjectPath, RadioError> {
        // What is not an address is the address of nobody.
        let nobody = || RadioError::NotFound(peer.clone());
        let path = device_path(self.adapter.as_str(), peer).ok_or_else(nobody)?;
        OwnedObjectPath::try_from(path).map_err(|_| nobody())
    }

    /// What btleplug calls the device.
    pub fn id(&self, peer: &PeerAddress) -> Result<PeripheralId, RadioError> {
        let path = self.path(peer)?;
        let name = path.as_str().trim_start_matches("/org/bluez/");
        let id: DeviceId =
            name.parse().map_err(|error| Fault::from(error).into_radio(peer, false, "a device path"))?;
        Ok(id.into())
    }

    /// A handle to the device.
    pub async fn device(&self, peer: &PeerAddress) -> Result<DeviceProxy<'static>, RadioError> {
        let built = bus::device(&self.bus, self.path(peer)?).await;
        built.map_err(|error| Fault::from(error).into_radio(peer, false, "a device"))
    }

    /// A handle to the adapter.
    pub async fn adapter(&self) -> Result<AdapterProxy<'static>, Fault> {
        Ok(bus::adapter(&self.bus, self.adapter.clone()).await?)
    }

    /// Whether the device is connected; `None` if BlueZ does not know it.
    pub async fn connected(&self, peer: &PeerAddress) -> Result<Option<bool>, RadioError> {
        let device = self.device(peer).await?;
        known(within(STEP_DEADLINE, "a device", device.connected()).await, peer)
    }

    /// Whether this host holds a bond with the device.
    pub async fn bond(&self, peer: &PeerAddress) -> Result<Bond, RadioError> {
        let device = self.device(peer).await?;
        let paired = known(within(STEP_DEADLINE, "a device", device.paired()).await, peer)?;
        Ok(if paired == Some(true) { Bond::Bonded } else { Bond::None })
    }

    /// Reads an error of a call about the device, which may depend on the bond with it.
    pub async fn explain(&self, fault: Fault, peer: &PeerAddress, what: &'static str) -> RadioError {
        let matters = matches!(fault.meaning(), Meaning::NotPaired | Meaning::Refused(_));
        let bonded = matters && self.bond(peer).await.is_ok_and(|bond| bond == Bond::Bonded);
        fault.into_radio(peer, bonded, what)
    }

    /// Ends the device's link, or a connect that BlueZ would go on trying. Never fails: what is not connected is fine, and a
    /// service that does not answer has its own way of being noticed.
    pub async fn disconnect(&self, peer: &PeerAddress) {
        let Ok(device) = self.device(peer).await else { return };
        let limit = STEP_DEADLINE;
        match within(limit, "a disconnect", device.disconnect())
            .await
            .map_err(|fault| (fault.meaning(), fault))
        {
            Ok(()) | Err((Meaning::NotConnected | Meaning::Unknown, _)) => {}
            Err((_, fault)) => tracing::debug!(%peer, %fault, "A watch could not be disconnected."),
        }
    }
}

/// Tells a device that BlueZ does not know from an error.
fn known<T>(answer: Result<T, Fault>, peer: &PeerAddress) -> Result<Option<T>, RadioError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.meaning() == Meaning::Unknown => Ok(None),
        Err(fault) => Err(fault.into_radio(peer, false, "a look at a device")),
    }
}
