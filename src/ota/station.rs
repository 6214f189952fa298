//! The way to a real watch: over the radio, to the device that is meant, and to its SMP service.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::smp::{GattSmpLink, ImageUpload, SmpClient};
use super::talk::{SmpTalk, of_client, of_link};
use super::{OtaError, Station, Target};
use crate::radio::{CALL_DEADLINE, Central, Link, PeerAddress, RadioError};
use crate::watch::{Driver, Identity, Opened, WatchError, driver_for, open};
use crate::wire::Sha256;
use crate::wire::bridge::DeviceId;
use crate::wire::gatt::{self, BatteryStatus};
use crate::wire::mcuboot::ImageVersion;

/// A radio ends each call in time; this is for one that breaks its promise.
const CONNECT_DEADLINE: Duration = CALL_DEADLINE.saturating_add(Duration::from_secs(5));
/// Subscribing and asking who it is are a few calls each.
const OPEN_DEADLINE: Duration = Duration::from_secs(30);
/// Everything that is asked when an SMP session is opened.
const SESSION_DEADLINE: Duration = Duration::from_secs(40);
const ASKING: &str = "who it is";

/// An upload outlives its links; with the file that it brings.
pub(super) type Begun = Arc<Mutex<Option<(Sha256, ImageUpload)>>>;

/// The way to one watch.
#[derive(Debug)]
pub struct WatchStation<C> {
    central: C,
    address: PeerAddress,
    device: DeviceId,
    upload: Begun,
    /// The watch was told to start the new image.
    restarted: Arc<AtomicBool>,
}

/// What a watch says of itself that matters before an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Charge of its battery, percent.
    pub battery: Option<u8>,
    /// Whether it is being charged; `None` if it does not tell.
    pub charging: Option<bool>,
    /// What runs on it.
    pub firmware: Option<String>,
    /// What it is.
    pub model: Option<String>,
}

impl<C: Central> WatchStation<C> {
    /// To the watch at `address`, if it is `device`. `started`: it had been told to start the new image.
    pub fn new(central: C, address: PeerAddress, device: DeviceId, started: bool) -> Self {
        let restarted = Arc::new(AtomicBool::new(started));
        Self { central, address, device, upload: Arc::default(), restarted }
    }

    /// Connects, makes sure who it is, and asks what is told to everybody.
    pub async fn about(&self) -> Result<About, OtaError> {
        let link = self.connect().await?;
        let told = async {
            self.meet(&link).await?;
            ask(&*link).await
        }
        .await;
        link.disconnect().await;
        told
    }

    async fn connect(&self) -> Result<Arc<C::Link>, OtaError> {
        let connect = timeout(CONNECT_DEADLINE, self.central.connect(&self.address)).await;
        Ok(Arc::new(connect.unwrap_or(Err(RadioError::Timeout("a connect")))?))
    }

    /// Makes sure that it is the watch. The driver gives the link back by being dropped.
    async fn meet(&self, link: &Arc<C::Link>) -> Result<Opened<Arc<C::Link>>, OtaError> {
        if driver_for(&**link).is_none() {
            return Err(of_watch(&WatchError::NoDriver));
        }
        let opening = async {
            let mut opened = open(Arc::clone(link)).await?;
            let Identity { device, .. } = opened.identify().await?;
            Ok((opened, device))
        };
        let met = timeout(OPEN_DEADLINE, opening).await.unwrap_or(Err(WatchError::Silent(ASKING)));
        let (opened, told) = met.map_err(of_driver)?;
        let by_address = DeviceId::of_address(&self.address.0);
        // A sensor whose serial number is nobody's alone is filed under its address.
        if told.is_none_or(|told| told != self.device) && by_address != self.device {
            let who = told.map_or_else(|| "one that tells no name".to_owned(), |told| told.to_string());
            return Err(OtaError::Stranger(who));
        }
        Ok(opened)
    }
}

impl<C: Central> Station for WatchStation<C> {
    type Protocol = SmpTalk<C::Link>;

    async fn reach(&mut self) -> Result<Self::Protocol, OtaError> {
        let link = self.connect().await?;
        match self.meet(&link).await {
            Ok(_) => {}
            Err(error @ OtaError::Stranger(_)) => return Err(error),
            // An image that does not do its work must still be told to go; it is kept only after `health`, which asks who it is.
            Err(error) if self.restarted.load(Ordering::Relaxed) => {
                tracing::debug!(watch = %self.address, %error, "The watch does not say who it is.");
            }
            Err(error) => return Err(error),
        }
        let opening = async {
            let gatt = GattSmpLink::open(Arc::clone(&link)).await.map_err(of_link)?;
            SmpClient::open(gatt).await.map_err(of_client)
        };
        let client = timeout(SESSION_DEADLINE, opening).await.unwrap_or(Err(OtaError::Silent(ASKING)))?;
        Ok(SmpTalk::new(client, link, Arc::clone(&self.upload), Arc::clone(&self.restarted)))
    }

    async fn health(&mut self, target: &Target) -> Result<(), OtaError> {
        let link = self.connect().await?;
        let well = async {
            let mut opened = self.meet(&link).await?;
            let signs = async {
                match &mut opened {
                    Opened::Bridge(bridge) => bridge.check().await,
                    Opened::Sensor(sensor) => sensor.check().await,
                }
            };
            let checked = timeout(OPEN_DEADLINE, signs).await;
            checked.unwrap_or(Err(WatchError::Silent("a sign of life"))).map_err(of_driver)?;
            match ask(&*link).await?.firmware {
                Some(told) if !same_version(&told, &target.version) => Err(OtaError::Nonsense {
                    request: "which firmware it runs",
                    detail: format!("\"{told}\" instead of \"{}\"", target.version),
                }),
                _ => Ok(()),
            }
        }
        .await;
        link.disconnect().await;
        well
    }
}

/// Asks what is told to everybody; what is not told is `None`.
async fn ask<L: Link>(link: &L) -> Result<About, OtaError> {
    let offered = link.characteristics();
    let read = async |uuid: Uuid| -> Result<Option<Vec<u8>>, OtaError> {
        if !offered.contains(&uuid) {
            return Ok(None);
        }
        let value = timeout(CALL_DEADLINE, link.read(uuid)).await;
        match value.unwrap_or(Err(RadioError::Timeout(ASKING))) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_transient() => Err(error.into()),
            Err(_) => Ok(None),
        }
    };
    let text = |value: Option<Vec<u8>>| value.and_then(|value| gatt::text(&value));
    let status = read(gatt::BATTERY_STATUS).await?.and_then(|value| BatteryStatus::decode(&value).ok());
    let level = read(gatt::BATTERY_LEVEL).await?.and_then(|value| gatt::battery_level(&value).ok());
    Ok(About {
        battery: level.or(status.and_then(|status| status.level)),
        charging: status.map(|status| status.charging),
        firmware: text(read(gatt::FIRMWARE).await?),
        model: text(read(gatt::MODEL).await?),
    })
}

/// Whether two ways to write a version mean the same: `1.2.3+4` and `1.2.3.4` do.
fn same_version(told: &str, wanted: &str) -> bool {
    let versions = told.trim().parse::<ImageVersion>().ok().zip(wanted.trim().parse::<ImageVersion>().ok());
    versions.map_or_else(|| told.trim() == wanted.trim(), |(told, wanted)| told == wanted)
}

fn of_driver(error: WatchError) -> OtaError {
    match error {
        WatchError::Radio(error) => error.into(),
        WatchError::Silent(what) => OtaError::Silent(what),
        other => of_watch(&other),
    }
}

fn of_watch(error: &WatchError) -> OtaError {
    OtaError::Refused { request: ASKING, reason: error.to_string(), passing: error.is_transient() }
}

/// No code panics while it holds the lock.
pub(super) fn lock(begun: &Begun) -> std::sync::MutexGuard<'_, Option<(Sha256, ImageUpload)>> {
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_same_however_it_is_written() {
        for (told, wanted, same) in [
            ("1.2.3", "1.2.3", true),
            ("1.2.3.4", "1.2.3+4", true),
            ("1.2.3", "1.2.3+0", true),
            ("1.2.4", "1.2.3", false),
            ("blue", "blue ", true),
            ("blue", "1.2.3", false),
        ] {
            assert_eq!(same_version(told, wanted), same, "{told} {wanted}");
        }
    }
}
