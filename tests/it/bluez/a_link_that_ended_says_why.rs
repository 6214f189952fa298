use std::time::Duration;

use nowbridge::radio::{Link, LinkClosed, RadioError, sig};

use super::ours::{connected, radio};
use crate::support::fake_bluez::Machine;
use crate::support::fake_bluez::database::TX;
use crate::support::process::until;
use crate::support::stage::{Wearable, story};

const SOON: Duration = Duration::from_millis(100);

#[test]
fn a_watch_that_was_lost_comes_back() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        let mut values = link.subscribe(TX).await.unwrap();
        stage.lose_link(Wearable::Sensor, SOON).await;
        assert_eq!(link.closed().await, LinkClosed::Lost);
        assert!(values.next().await.is_none());
        assert!(matches!(link.read(sig(0x2A19)).await, Err(RadioError::Closed(LinkClosed::Lost))));

        let link = connected(&radio, Wearable::Sensor).await;
        let mut values = link.subscribe(TX).await.unwrap();
        stage.stream(1, 20).await;
        assert_eq!(values.next().await.unwrap().len(), 20);
    });
}

#[test]
fn a_read_under_way_ends_with_its_link() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        stage.lose_link(Wearable::Sensor, SOON).await;
        let read = link.read(sig(0x2A19)).await;
        assert!(matches!(read, Err(RadioError::Closed(LinkClosed::Lost))), "{read:?}");
    });
}

#[test]
fn a_watch_that_hangs_up_did_it_itself() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        stage.hang_up(Wearable::Sensor).await;
        // Only a BlueZ since 5.83 tells it apart from a lost one.
        let reason = link.closed().await;
        let told = stage.tells_reasons().await;
        assert_eq!(reason, if told { LinkClosed::ByPeer } else { LinkClosed::Lost });
        connected(&radio, Wearable::Sensor).await;
    });
}

#[test]
fn a_newer_bluez_gives_reasons() {
    story(async |stage| {
        let Some(fake) = stage.only_on_the_fake() else { return };
        fake.with(Machine::tell_reasons).await;
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        stage.hang_up(Wearable::Sensor).await;
        assert_eq!(link.closed().await, LinkClosed::ByPeer);
    });
}

#[test]
fn a_link_that_is_dropped_is_closed() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        assert_eq!(stage.links(Wearable::Sensor).await, 1);
        drop(link);
        until("the watch has no link", async || (stage.links(Wearable::Sensor).await == 0).then_some(()))
            .await;
    });
}

#[test]
fn a_slow_disconnect_is_waited_for_by_the_next_connect() {
    story(async |stage| {
        // The real one takes as long.
        if let Some(fake) = stage.fake_at_hand() {
            fake.with(|machine| machine.timing.disconnect = Duration::from_secs(2)).await;
        }
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        drop(link);
        let link = connected(&radio, Wearable::Sensor).await;
        assert_eq!(link.read(sig(0x2A19)).await.unwrap(), [87]);
        link.disconnect().await;
        assert_eq!(link.closed().await, LinkClosed::ByHost);
    });
}

#[test]
fn a_shutdown_closes_every_link() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        radio.shutdown().await;
        assert_eq!(link.closed().await, LinkClosed::ByHost);
        assert_eq!(stage.links(Wearable::Sensor).await, 0);
    });
}
