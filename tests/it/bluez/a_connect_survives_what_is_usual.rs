use std::collections::BTreeSet;
use std::time::Duration;

use nowbridge::radio::{Central, Link, RadioError, sig};

use super::ours::{agrees, connected, pair, radio};
use crate::support::process::until;
use crate::support::stage::{Wearable, story};

#[test]
fn one_that_breaks_off_is_tried_again() {
    story(async |stage| {
        let Some(fake) = stage.only_on_the_fake() else { return };
        let sensor = Wearable::Sensor.address();
        let peer = sensor.clone();
        fake.with(move |machine| machine.abort_connects(&peer, 2)).await;
        let radio = radio().await;
        let link = radio.connect(&sensor).await.unwrap();
        drop(link);

        let peer = sensor.clone();
        fake.with(move |machine| machine.abort_connects(&peer, 1_000)).await;
        let refused = radio.connect(&sensor).await;
        assert!(matches!(&refused, Err(RadioError::Aborted(peer)) if *peer == sensor), "{refused:?}");
    });
}

#[test]
fn one_during_a_scan_does_not_get_into_its_way() {
    story(async |stage| {
        if let Some(fake) = stage.fake_at_hand() {
            fake.with(|machine| machine.connect_while_scanning(false)).await;
        }
        let radio = radio().await;
        let sensor = Wearable::Sensor.address();
        let (scanned, link) = tokio::join!(radio.scan(Duration::from_secs(1)), radio.connect(&sensor));
        assert_eq!(link.unwrap().read(sig(0x2A19)).await.unwrap(), [87]);
        scanned.unwrap();
    });
}

#[test]
fn one_to_a_device_that_was_forgotten_finds_it_again() {
    story(async |stage| {
        if let Some(fake) = stage.fake_at_hand() {
            fake.with(|machine| machine.timing.temporary = Duration::from_millis(20)).await;
        }
        let radio = radio().await;
        connected(&radio, Wearable::Sensor).await.disconnect().await;
        stage.forgotten(Wearable::Sensor).await;
        let link = radio.connect(&Wearable::Sensor.address()).await.unwrap();
        assert_eq!(link.read(sig(0x2A19)).await.unwrap(), [87]);
    });
}

#[test]
fn one_to_a_watch_that_forgot_its_bond_breaks_off() {
    story(async |stage| {
        let sensor = Wearable::Sensor.address();
        let radio = radio().await;
        pair(&radio, agrees).await.unwrap();
        connected(&radio, Wearable::Sensor).await.disconnect().await;

        stage.forget_bonds(Wearable::Sensor).await;
        let refused = radio.connect(&sensor).await;
        assert!(matches!(refused, Err(RadioError::Aborted(_) | RadioError::StaleBond(_))), "{refused:?}");
        assert!(radio.forget(&sensor).await.unwrap());
        connected(&radio, Wearable::Sensor).await;
    });
}

#[test]
fn one_in_a_room_of_five_thousand_finds_its_watch() {
    const STRANGERS: u32 = 5_000;
    story(async |stage| {
        let Some(fake) = stage.only_on_the_fake() else { return };
        fake.with(|machine| machine.fill_the_room(STRANGERS)).await;
        let radio = radio().await;
        let mut heard = BTreeSet::new();
        until("everybody was heard", async || {
            let sightings = radio.scan(Duration::from_secs(1)).await.unwrap();
            heard.extend(sightings.into_iter().map(|sighting| sighting.address));
            (heard.len() == STRANGERS as usize + 1).then_some(())
        })
        .await;
        let link = radio.connect(&Wearable::Sensor.address()).await.unwrap();
        assert_eq!(link.read(sig(0x2A19)).await.unwrap(), [87]);
    });
}
