//! BlueZ waits 30 s; we are the ones who say what happened. These take their real time, for the bus knows no other.

use nowbridge::radio::{CALL_DEADLINE, Central, Link, RadioError, WriteMode, sig};
use tokio::time::Instant;

use super::ours::{connected, radio};
use crate::support::fake_bluez::Machine;
use crate::support::fake_bluez::database::RX;
use crate::support::process::until;
use crate::support::stage::{Wearable, story};

#[test]
fn a_silent_radio_ends_at_our_deadline() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        stage.silence(Wearable::Sensor).await;
        let begun = Instant::now();
        let write = link.write(RX, vec![1], WriteMode::WithResponse).await;
        assert!(matches!(write, Err(RadioError::Timeout(_))), "{write:?}");
        assert!(begun.elapsed() >= CALL_DEADLINE);
        stage.radio_on(Wearable::Sensor).await;
        drop(link);
        assert_eq!(connected(&radio, Wearable::Sensor).await.read(sig(0x2A19)).await.unwrap(), [87]);
    });
}

#[test]
fn an_absent_watch_is_not_found_and_no_connect_is_left_behind() {
    story(async |stage| {
        let radio = radio().await;
        connected(&radio, Wearable::Sensor).await.disconnect().await;
        stage.advertise(Wearable::Sensor, false).await;
        let sensor = Wearable::Sensor.address();
        let refused = radio.connect(&sensor).await;
        assert!(matches!(&refused, Err(RadioError::NotFound(peer)) if *peer == sensor), "{refused:?}");
        if let Some(fake) = stage.fake_at_hand() {
            until("the connect is called off", async || {
                let pending = |machine: &mut Machine| machine.is_connect_pending(&Wearable::Sensor.address());
                (!fake.with(pending).await).then_some(())
            })
            .await;
        }
        stage.advertise(Wearable::Sensor, true).await;
        connected(&radio, Wearable::Sensor).await;
    });
}
