//! Proof that the stage is one, without any code of ours between: btleplug finds, connects, reads, writes and listens.

use std::time::Duration;

use btleplug::api::{Central, CentralEvent, Peripheral as _, WriteType};
use futures_util::StreamExt;
use nowbridge::radio::sig;

use super::bare::{adapter, characteristic, connected, found};
use crate::support::fake_bluez::database::RX;
use crate::support::fake_bluez::sensor::HEART_RATE;
use crate::support::process::until;
use crate::support::stage::{Wearable, story};

#[test]
fn it_finds_connects_reads_writes_and_listens() {
    story(async |stage| {
        let watch = connected(&adapter().await).await;
        assert_eq!(watch.read(&characteristic(&watch, sig(0x2A24))).await.unwrap(), b"Virtual-1");

        let mut notifications = watch.notifications().await.unwrap();
        watch.subscribe(&characteristic(&watch, HEART_RATE)).await.unwrap();
        let heart_rate = notifications.next().await.unwrap();
        assert_eq!((heart_rate.uuid, heart_rate.value.len()), (HEART_RATE, 4));

        let rx = characteristic(&watch, RX);
        for _ in 0..10 {
            watch.write(&rx, &[7; 100], WriteType::WithoutResponse).await.unwrap();
        }
        watch.write(&rx, &[7; 100], WriteType::WithResponse).await.unwrap();
        until("everything has arrived", async || {
            let stats = stage.stats().await;
            ((stats.bytes, stats.writes) == (1_100, 11)).then_some(())
        })
        .await;
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
