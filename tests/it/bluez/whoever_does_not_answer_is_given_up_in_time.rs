//! BlueZ waits 30 s; we are the ones who say what happened. This takes its real time, for the bus knows no other; so both waits
//! are in one story.

use nowbridge::radio::bluez::BluezCentral;
use nowbridge::radio::{CALL_DEADLINE, Central, Link, RadioError, WriteMode, sig};
use tokio::time::Instant;

use super::ours::{connected, radio};
use crate::support::fake_bluez::Machine;
use crate::support::fake_bluez::database::RX;
use crate::support::process::until;
use crate::support::stage::{Stage, Wearable, story};
use crate::support::sync::worn_for;

#[test]
fn a_silent_radio_ends_at_our_deadline_and_an_absent_watch_leaves_no_connect_behind() {
    story(async |stage| {
        stage.wear(worn_for(1)).await;
        let radio = radio().await;
        tokio::join!(silent(&stage, &radio), absent(&stage, &radio));
    });
}

async fn silent(stage: &Stage, radio: &BluezCentral) {
    let link = connected(radio, Wearable::Sensor).await;
    stage.silence(Wearable::Sensor).await;
    let begun = Instant::now();
    let write = link.write(RX, vec![1], WriteMode::WithResponse).await;
    assert!(matches!(write, Err(RadioError::Timeout(_))), "{write:?}");
    assert!(begun.elapsed() >= CALL_DEADLINE);
    stage.radio_on(Wearable::Sensor).await;
    drop(link);
    assert_eq!(connected(radio, Wearable::Sensor).await.read(sig(0x2A19)).await.unwrap(), [87]);
}

async fn absent(stage: &Stage, radio: &BluezCentral) {
    connected(radio, Wearable::Bridge).await.disconnect().await;
    stage.advertise(Wearable::Bridge, false).await;
    let watch = Wearable::Bridge.address();
    let refused = radio.connect(&watch).await;
    assert!(matches!(&refused, Err(RadioError::NotFound(peer)) if *peer == watch), "{refused:?}");
    if let Some(fake) = stage.fake_at_hand() {
        until("the connect is called off", async || {
            let pending = |machine: &mut Machine| machine.is_connect_pending(&Wearable::Bridge.address());
            (!fake.with(pending).await).then_some(())
        })
        .await;
    }
    stage.advertise(Wearable::Bridge, true).await;
    connected(radio, Wearable::Bridge).await;
}
