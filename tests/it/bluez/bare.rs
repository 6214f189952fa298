//! btleplug without any code of ours between.

use btleplug::api::{Central, Characteristic, Manager as _, Peripheral as _, ScanFilter};
use btleplug::platform::{Adapter, Manager, Peripheral};
use uuid::Uuid;

use crate::support::fake_bluez::sensor::NAME;
use crate::support::process::until;

/// The adapter.
pub async fn adapter() -> Adapter {
    Manager::new().await.unwrap().adapters().await.unwrap().remove(0)
}

/// The sensor, as soon as it is heard.
pub async fn found(adapter: &Adapter) -> Peripheral {
    // A bluetoothd that has just started may have to be asked twice.
    until("a scan begins", async || adapter.start_scan(ScanFilter::default()).await.ok()).await;
    let watch = until("the sensor is heard", async || {
        for peripheral in adapter.peripherals().await.ok()? {
            let properties = peripheral.properties().await.ok().flatten();
            if properties.is_some_and(|properties| properties.local_name.as_deref() == Some(NAME)) {
                return Some(peripheral);
            }
        }
        None
    })
    .await;
    adapter.stop_scan().await.unwrap();
    watch
}

/// The sensor with a link, its services known.
pub async fn connected(adapter: &Adapter) -> Peripheral {
    let watch = found(adapter).await;
    watch.connect().await.unwrap();
    watch.discover_services().await.unwrap();
    watch
}

/// One of its characteristics.
pub fn characteristic(watch: &Peripheral, uuid: Uuid) -> Characteristic {
    watch.characteristics().into_iter().find(|found| found.uuid == uuid).unwrap()
}
