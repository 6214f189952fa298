use nowbridge::config::AdapterChoice;
use nowbridge::radio::bluez::BluezCentral;
use nowbridge::radio::{Central, Link, LinkClosed, RadioError, RadioTrouble, sig};

use super::ours::{connected, not_ready, radio, ready};
use crate::support::fake_bluez::database::TX;
use crate::support::stage::{Wearable, story};

#[test]
fn a_kill_ends_the_link_and_a_start_brings_it_back() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        let mut values = link.subscribe(TX).await.unwrap();
        stage.kill_bluetoothd().await;
        assert_eq!(link.closed().await, LinkClosed::RadioGone);
        assert!(values.next().await.is_none());
        assert!(matches!(link.read(sig(0x2A19)).await, Err(RadioError::Closed(LinkClosed::RadioGone))));
        assert!(matches!(not_ready(&radio).await, RadioTrouble::NoService { .. }));
        let refused = radio.connect(&Wearable::Sensor.address()).await;
        assert!(matches!(refused, Err(RadioError::NotReady(RadioTrouble::NoService { .. }))), "{refused:?}");

        stage.start_bluetoothd().await;
        ready(&radio).await;
        let link = connected(&radio, Wearable::Sensor).await;
        let mut values = link.subscribe(TX).await.unwrap();
        stage.stream(1, 20).await;
        assert_eq!(values.next().await.unwrap().len(), 20);
    });
}

#[test]
fn a_restart_too_quick_to_be_seen_ends_the_link_all_the_same() {
    story(async |stage| {
        let radio = radio().await;
        for _ in 0..3 {
            let link = connected(&radio, Wearable::Sensor).await;
            stage.kill_bluetoothd().await;
            stage.start_bluetoothd().await;
            assert_eq!(link.closed().await, LinkClosed::RadioGone);
            ready(&radio).await;
        }
        connected(&radio, Wearable::Sensor).await;
    });
}

#[test]
fn a_radio_that_starts_first_waits_for_it() {
    story(async |stage| {
        stage.kill_bluetoothd().await;
        let radio = BluezCentral::start(AdapterChoice::Any);
        assert!(matches!(not_ready(&radio).await, RadioTrouble::NoService { .. }));
        stage.start_bluetoothd().await;
        ready(&radio).await;
        connected(&radio, Wearable::Sensor).await;
    });
}
