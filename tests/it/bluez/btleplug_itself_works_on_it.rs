//! Proof that the stage is one, without any code of ours between: btleplug finds, connects, reads, writes and listens.

use std::time::Duration;

use btleplug::api::{
    Central, CentralEvent, Characteristic, Manager as _, Peripheral as _, ScanFilter, WriteType,
};
use btleplug::platform::{Adapter, Manager, Peripheral};
use futures_util::StreamExt;
use nowbridge::radio::sig;
use uuid::Uuid;

use crate::support::fake_bluez::database::{RX, TX};
use crate::support::fake_bluez::sensor::{HEART_RATE, NAME};
use crate::support::process::until;
use crate::support::stage::{Wearable, story};

async fn adapter() -> Adapter {
    Manager::new().await.unwrap().adapters().await.unwrap().remove(0)
}

async fn found(adapter: &Adapter) -> Peripheral {
    adapter.start_scan(ScanFilter::default()).await.unwrap();
    let watch = until("the sensor is heard", async || {
        for peripheral in adapter.peripherals().await.unwrap() {
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

fn characteristic(watch: &Peripheral, uuid: Uuid) -> Characteristic {
    watch.characteristics().into_iter().find(|found| found.uuid == uuid).unwrap()
}

#[test]
fn it_finds_connects_reads_writes_and_listens() {
    story(async |stage| {
        let watch = found(&adapter().await).await;
        watch.connect().await.unwrap();
        watch.discover_services().await.unwrap();
        assert_eq!(watch.read(&characteristic(&watch, sig(0x2A25))).await.unwrap(), b"SN0001");

        let mut notifications = watch.notifications().await.unwrap();
        watch.subscribe(&characteristic(&watch, HEART_RATE)).await.unwrap();
        let heart_rate = notifications.next().await.unwrap();
        assert_eq!((heart_rate.uuid, heart_rate.value.len()), (HEART_RATE, 2));

        let rx = characteristic(&watch, RX);
        for _ in 0..10 {
            watch.write(&rx, &[7; 100], WriteType::WithoutResponse).await.unwrap();
        }
        watch.write(&rx, &[7; 100], WriteType::WithResponse).await.unwrap();
        let stats = stage.stats().await;
        assert_eq!((stats.bytes, stats.writes), (1_100, 11));
        assert!(watch.subscribe(&characteristic(&watch, TX)).await.is_ok());
        watch.disconnect().await.unwrap();
    });
}

#[test]
fn it_tells_of_a_lost_link_and_connects_again() {
    story(async |stage| {
        let adapter = adapter().await;
        let watch = found(&adapter).await;
        let mut events = adapter.events().await.unwrap();
        watch.connect().await.unwrap();
        stage.lose_link(Wearable::Sensor, Duration::from_millis(50)).await;
        let id = watch.id();
        let lost =
            |event: &CentralEvent| matches!(event, CentralEvent::DeviceDisconnected(who) if *who == id);
        while !lost(&events.next().await.unwrap()) {}
        assert!(!watch.is_connected().await.unwrap());
        watch.connect().await.unwrap();
        watch.disconnect().await.unwrap();
    });
}
