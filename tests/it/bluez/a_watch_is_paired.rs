use std::time::Duration;

use nowbridge::radio::bluez::BluezCentral;
use nowbridge::radio::{Bond, Central, Link, PairingPrompt, RadioError};
use tokio::sync::{mpsc, oneshot};

use super::ours::{agrees, connected, pair, radio, ready};
use crate::support::fake_bluez::Io;
use crate::support::fake_bluez::database::{AUTH, SEC, STAT};
use crate::support::process::until;
use crate::support::stage::{Wearable, story};

async fn bond(radio: &BluezCentral) -> Bond {
    radio.bond(&Wearable::Sensor.address()).await.unwrap()
}

#[track_caller]
fn assert_failed(paired: &Result<(), RadioError>) {
    let sensor = Wearable::Sensor.address();
    assert!(matches!(paired, Err(RadioError::PairingFailed { peer, .. }) if *peer == sensor), "{paired:?}");
}

#[test]
fn one_without_screen_and_buttons_just_works() {
    story(async |stage| {
        let radio = radio().await;
        pair(&radio, agrees).await.unwrap();
        assert_eq!(bond(&radio).await, Bond::Bonded);
        let link = connected(&radio, Wearable::Sensor).await;
        assert_eq!(link.read(SEC).await.unwrap(), b"secret");
        link.disconnect().await;

        // The keys lie on the disk.
        stage.kill_bluetoothd().await;
        stage.start_bluetoothd().await;
        until("the bond is known again", async || {
            let bonded = radio.bond(&Wearable::Sensor.address()).await.ok()? == Bond::Bonded;
            bonded.then_some(())
        })
        .await;
        ready(&radio).await;
        let link = connected(&radio, Wearable::Sensor).await;
        assert_eq!(link.read(SEC).await.unwrap(), b"secret");
    });
}

#[test]
fn one_with_a_screen_shows_digits_that_are_entered_here() {
    story(async |stage| {
        stage.equip(Wearable::Sensor, Io::Display, true).await;
        let radio = radio().await;
        let entering = async |slip: u32| {
            let person = async |prompt| match prompt {
                PairingPrompt::EnterPasskey { reply } => {
                    let shown = stage.shown_passkey(Wearable::Sensor).await;
                    reply.send((shown + slip) % 1_000_000).unwrap();
                }
                other => panic!("{other:?}"),
            };
            pair(&radio, person).await
        };
        assert_failed(&entering(1).await);
        assert_eq!(bond(&radio).await, Bond::None);
        entering(0).await.unwrap();
        let link = connected(&radio, Wearable::Sensor).await;
        assert_eq!(link.read(AUTH).await.unwrap(), b"top-secret");
    });
}

#[test]
fn one_with_keys_has_digits_typed_into_it() {
    story(async |stage| {
        stage.equip(Wearable::Sensor, Io::Keyboard, true).await;
        let radio = radio().await;
        let typing = async |slip: u32| {
            let person = async |prompt| match prompt {
                PairingPrompt::ShowPasskey { passkey } => {
                    stage.type_passkey(Wearable::Sensor, (passkey + slip) % 1_000_000).await;
                }
                other => panic!("{other:?}"),
            };
            pair(&radio, person).await
        };
        assert_failed(&typing(1).await);
        typing(0).await.unwrap();
        assert_eq!(bond(&radio).await, Bond::Bonded);
    });
}

#[test]
fn one_with_screen_and_buttons_compares_numbers() {
    story(async |stage| {
        stage.equip(Wearable::Sensor, Io::YesNo, true).await;
        let radio = radio().await;
        let comparing = async |says: bool| {
            let person = async |prompt| match prompt {
                PairingPrompt::CompareNumbers { passkey, reply } => {
                    assert_eq!(passkey, stage.shown_passkey(Wearable::Sensor).await);
                    reply.send(says).unwrap();
                }
                other => panic!("{other:?}"),
            };
            pair(&radio, person).await
        };
        assert_failed(&comparing(false).await);
        assert_eq!(bond(&radio).await, Bond::None);
        comparing(true).await.unwrap();
        assert_eq!(bond(&radio).await, Bond::Bonded);
    });
}

#[test]
fn one_whose_wearer_says_no_is_not() {
    story(async |stage| {
        stage.equip(Wearable::Sensor, Io::YesNo, false).await;
        let radio = radio().await;
        let person = async |prompt| match prompt {
            PairingPrompt::CompareNumbers { reply, .. } => reply.send(true).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_failed(&pair(&radio, person).await);
        assert_eq!(bond(&radio).await, Bond::None);
    });
}

#[test]
fn one_that_nobody_says_yes_to_is_not() {
    story(async |_stage| {
        let radio = radio().await;
        assert_failed(&pair(&radio, async |prompt| drop(prompt)).await);
        assert_eq!(bond(&radio).await, Bond::None);
        pair(&radio, agrees).await.unwrap();
    });
}

#[test]
fn one_whose_person_has_left_is_called_off() {
    story(async |_stage| {
        let radio = radio().await;
        let (desk, mut prompts) = mpsc::channel(1);
        let central = radio.clone();
        let pairing = tokio::spawn(async move { central.pair(&Wearable::Sensor.address(), desk).await });
        let asked = prompts.recv().await.unwrap();
        pairing.abort();
        let PairingPrompt::Confirm { mut reply } = asked else { panic!("{asked:?}") };
        // The agent takes its question back.
        reply.closed().await;
        drop::<oneshot::Sender<bool>>(reply);
        until("another one can be begun", async || match pair(&radio, agrees).await {
            Err(RadioError::Busy(_)) => None,
            paired => Some(paired),
        })
        .await
        .unwrap();
        assert_eq!(bond(&radio).await, Bond::Bonded);
    });
}

#[test]
fn one_whose_time_is_over_is_not() {
    story(async |stage| {
        let Some(fake) = stage.only_on_the_fake() else { return };
        fake.with(|machine| machine.timing.pairing = Duration::from_millis(50)).await;
        stage.equip(Wearable::Sensor, Io::Display, true).await;
        let radio = radio().await;
        let mut kept = Vec::new();
        assert_failed(&pair(&radio, async |prompt| kept.push(prompt)).await);
        assert_eq!((kept.len(), bond(&radio).await), (1, Bond::None));
    });
}

#[test]
fn a_protected_value_says_that_it_is_needed() {
    story(async |_stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        let read = link.read(SEC).await;
        let sensor = Wearable::Sensor.address();
        assert!(matches!(&read, Err(RadioError::PairingNeeded(peer)) if *peer == sensor), "{read:?}");
        assert_eq!(bond(&radio).await, Bond::None);
        // It says so in time: over a link that waits for keys nothing else is answered.
        let link = connected(&radio, Wearable::Sensor).await;
        assert!(link.read(STAT).await.is_ok());
    });
}
