//! What BlueZ does that a daemon has to live with, seen through bare btleplug. Whatever is said here of the fake was seen on the
//! real one first, and the lab tells both the same stories.

use std::time::Duration;

use btleplug::Error;
use btleplug::api::{Central, CentralEvent, Peripheral as _, WriteType};
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::bare::{adapter, characteristic, connected, found};
use crate::support::fake_bluez::database::{AUTH, RX, TX};
use crate::support::process::until;
use crate::support::stage::{Wearable, story};

/// Longer than anything that works takes, and far shorter than BlueZ's patience.
const A_WHILE: Duration = Duration::from_millis(1_500);

/// The text of BlueZ's error.
fn text<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("that was to fail"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_connect_that_was_given_up_goes_on_until_it_is_called_off() {
    story(async |stage| {
        let watch = found(&adapter().await).await;
        stage.advertise(Wearable::Sensor, false).await;
        assert!(timeout(A_WHILE, watch.connect()).await.is_err());
        let again = text(watch.connect().await).to_lowercase();
        assert!(again.contains("in progress"), "{again}");
        watch.disconnect().await.unwrap();
        // It is not paired, so that was the end of the object, too.
        assert!(watch.connect().await.is_err());
    });
}

#[test]
fn nobody_says_that_bluetoothd_was_killed() {
    story(async |stage| {
        let adapter = adapter().await;
        let watch = connected(&adapter).await;
        let mut events = adapter.events().await.unwrap();
        // Those that tell how things are now.
        while events.next().now_or_never().flatten().is_some() {}
        stage.kill_bluetoothd().await;
        until("the old handle is useless", async || watch.is_connected().await.err()).await;
        while let Some(event) = events.next().now_or_never().flatten() {
            assert!(!matches!(event, CentralEvent::DeviceDisconnected(_)), "{event:?}");
        }
        stage.start_bluetoothd().await;
        until("there is an adapter again", async || adapter.adapter_info().await.ok()).await;
        // The kernel has kept the link: the next bluetoothd may show it, drop it, and refuse others meanwhile.
        let again = async || {
            let watch = found(&adapter).await;
            watch.connect().await.ok()?;
            watch.discover_services().await.ok()?;
            Some(watch)
        };
        until("it connects again", again).await.disconnect().await.unwrap();
    });
}

#[test]
fn a_value_longer_than_the_mtu_is_not_sent() {
    story(async |_stage| {
        let watch = connected(&adapter().await).await;
        let rx = characteristic(&watch, RX);
        let long = vec![1; usize::from(watch.mtu()) + 3];
        let refused = text(watch.write(&rx, &long, WriteType::WithoutResponse).await);
        assert!(refused.contains("Failed to initiate write"), "{refused}");
    });
}

#[test]
fn a_subscription_without_a_link_is_granted_and_holds_for_every_link_to_come() {
    story(async |stage| {
        let watch = connected(&adapter().await).await;
        watch.disconnect().await.unwrap();
        let mut values = watch.notifications().await.unwrap();
        watch.subscribe(&characteristic(&watch, TX)).await.unwrap();
        assert!(timeout(A_WHILE, values.next()).await.is_err(), "there is no link");
        for _ in 0..2 {
            watch.connect().await.unwrap();
            let told = async || {
                stage.stream(1, 20).await;
                let tx = async { while values.next().await.unwrap().uuid != TX {} };
                timeout(A_WHILE, tx).await.ok()
            };
            until("a value comes", told).await;
            watch.disconnect().await.unwrap();
        }
    });
}

#[test]
fn a_protected_read_without_an_agent_hangs() {
    story(async |_stage| {
        let watch = connected(&adapter().await).await;
        let auth = characteristic(&watch, AUTH);
        assert!(timeout(A_WHILE, watch.read(&auth)).await.is_err());
    });
}

#[test]
fn an_unpaired_device_is_forgotten_without_a_word() {
    story(async |stage| {
        if let Some(fake) = stage.fake_at_hand() {
            fake.with(|machine| machine.timing.temporary = Duration::from_millis(20)).await;
        }
        let adapter = adapter().await;
        let watch = connected(&adapter).await;
        let mut events = adapter.events().await.unwrap();
        while events.next().now_or_never().flatten().is_some() {}
        watch.disconnect().await.unwrap();
        stage.forgotten(Wearable::Sensor).await;
        assert!(text(watch.connect().await).contains("doesn't exist"));
        let disconnected = |event: &CentralEvent| matches!(event, CentralEvent::DeviceDisconnected(_));
        let heard: Vec<CentralEvent> =
            std::iter::from_fn(|| events.next().now_or_never().flatten()).collect();
        assert!(heard.iter().all(disconnected), "{heard:?}");
    });
}
