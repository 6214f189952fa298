//! Who a sensor is, and whether it is still there.
//!
//! What tells it from its like is its serial number together with maker and model, or else its System ID. Reading these decides under
//! what the measurements are filed: a read that fails for a passing reason is an error here, lest the same strap be two devices on two
//! days. A string that is missing or refused is none.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::Identity;
use crate::radio::{Link, RadioError};
use crate::watch::WatchError;
use crate::wire::bridge::DeviceId;
use crate::wire::gatt::{self, SystemId, is_telling_serial, text};

/// For all that is asked together.
const DEADLINE: Duration = Duration::from_secs(20);
const ASKING: &str = "who it is";

/// What is read to see whether a device is still there, the cheapest first.
const SIGNS_OF_LIFE: [Uuid; 5] =
    [gatt::BATTERY_LEVEL, gatt::MODEL, gatt::MAKER, gatt::FIRMWARE, gatt::SERIAL];

/// Asks the device who it is.
pub async fn identify<L: Link>(link: &L) -> Result<Identity, WatchError> {
    timeout(DEADLINE, ask(link)).await.unwrap_or(Err(WatchError::Silent(ASKING)))
}

async fn ask<L: Link>(link: &L) -> Result<Identity, WatchError> {
    let offered = link.characteristics();
    let string =
        async |uuid| Ok::<_, WatchError>(read(link, &offered, uuid).await?.and_then(|value| text(&value)));
    let (maker, model) = (string(gatt::MAKER).await?, string(gatt::MODEL).await?);
    let serial = string(gatt::SERIAL).await?.filter(|serial| is_telling_serial(serial));
    let device = if let Some(serial) = serial {
        let told = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(DeviceId::of_serial(&told(&maker), &told(&model), &serial))
    } else {
        let id = read(link, &offered, gatt::SYSTEM_ID).await?;
        let id = id.and_then(|value| SystemId::decode(&value).ok()).filter(|id| id.is_telling());
        id.map(|id| DeviceId::of_system_id(id.0))
    };
    let firmware = string(gatt::FIRMWARE).await?;
    let battery = read(link, &offered, gatt::BATTERY_LEVEL).await?;
    let battery = battery.and_then(|value| gatt::battery_level(&value).ok());
    Ok(Identity { device, maker, model, firmware, battery, synthetic: false })
}

/// `None` if the device has no such characteristic, or does not let us read it.
async fn read<L: Link>(link: &L, offered: &[Uuid], uuid: Uuid) -> Result<Option<Vec<u8>>, WatchError> {
    if !offered.contains(&uuid) {
        return Ok(None);
    }
    match link.read(uuid).await {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_transient() => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// What can be read to see whether the device is still there.
pub fn sign_of_life<L: Link>(link: &L) -> Option<Uuid> {
    let offered = link.characteristics();
    SIGNS_OF_LIFE.into_iter().find(|uuid| offered.contains(uuid))
}

/// Looks whether the device is still there. A refusal is an answer.
pub async fn check<L: Link>(link: &L) -> Result<(), RadioError> {
    let Some(uuid) = sign_of_life(link) else { return Ok(()) };
    match link.read(uuid).await {
        Err(error) if error.is_transient() => Err(error),
        _ => Ok(()),
    }
}
