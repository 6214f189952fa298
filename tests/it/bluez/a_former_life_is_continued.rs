use std::time::Duration;

use nowbridge::radio::{Central, Link, sig};
use zbus::Connection;

use super::ours::{connected, radio};
use crate::support::fake_bluez::database::TX;
use crate::support::stage::{ADAPTER, Wearable, story};

#[test]
fn a_link_that_a_process_left_behind_is_taken_over() {
    story(async |stage| {
        let radio = radio().await;
        radio.scan(Duration::from_millis(500)).await.unwrap();
        let device = format!("{ADAPTER}/dev_{}", Wearable::Sensor.address().0.replace(':', "_"));
        let bus = Connection::system().await.unwrap();
        bus.call_method(Some("org.bluez"), device, Some("org.bluez.Device1"), "Connect", &()).await.unwrap();
        assert_eq!(stage.links(Wearable::Sensor).await, 1);

        let link = radio.connect(&Wearable::Sensor.address()).await.unwrap();
        let mut values = link.subscribe(TX).await.unwrap();
        stage.stream(1, 20).await;
        assert_eq!(values.next().await.unwrap().len(), 20);
        assert_eq!(stage.links(Wearable::Sensor).await, 1);
        link.disconnect().await;
        assert_eq!(stage.links(Wearable::Sensor).await, 0);
    });
}

#[test]
fn what_was_read_is_not_told_as_if_it_were_notified() {
    story(async |_stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        let mut levels = link.subscribe(sig(0x2A19)).await.unwrap();
        for _ in 0..3 {
            link.read(sig(0x2A19)).await.unwrap();
        }
        link.disconnect().await;
        assert_eq!(levels.next().await, None);
    });
}
