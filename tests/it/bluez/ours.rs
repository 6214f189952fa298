//! Our radio on the stage.

use nowbridge::config::AdapterChoice;
use nowbridge::radio::bluez::{BluezCentral, BluezLink};
use nowbridge::radio::{Central, PairingPrompt, RadioError, RadioState, RadioTrouble};
use tokio::sync::mpsc;

use crate::support::process::until;
use crate::support::stage::{CONTROLLER, Wearable};

/// Our radio, ready.
pub async fn radio() -> BluezCentral {
    let radio = BluezCentral::start(AdapterChoice::Controller(CONTROLLER.parse().unwrap()));
    ready(&radio).await;
    radio
}

/// Waits until it is.
pub async fn ready(radio: &BluezCentral) {
    radio.state().wait_for(RadioState::is_ready).await.unwrap();
}

/// Waits until it is not, and says why.
pub async fn not_ready(radio: &BluezCentral) -> RadioTrouble {
    let mut state = radio.state();
    let state = state.wait_for(|state| !state.is_ready()).await.unwrap().clone();
    match state {
        RadioState::NotReady(trouble) => trouble,
        RadioState::Ready => unreachable!("it was waited for"),
    }
}

/// A link to a watch. What may pass by itself is given the time to.
pub async fn connected(radio: &BluezCentral, watch: Wearable) -> BluezLink {
    until("the watch answers", async || match radio.connect(&watch.address()).await {
        Ok(link) => Some(link),
        Err(error) if error.is_transient() => None,
        Err(error) => panic!("{error}"),
    })
    .await
}

/// Pairs with the sensor while a person answers what comes up.
pub async fn pair(
    radio: &BluezCentral,
    mut person: impl AsyncFnMut(PairingPrompt),
) -> Result<(), RadioError> {
    let (desk, mut prompts) = mpsc::channel(4);
    let sensor = Wearable::Sensor.address();
    let person = async {
        while let Some(prompt) = prompts.recv().await {
            person(prompt).await;
        }
    };
    let (paired, ()) = tokio::join!(radio.pair(&sensor, desk), person);
    paired
}

/// A person who says yes to what needs no digits.
pub async fn agrees(prompt: PairingPrompt) {
    match prompt {
        PairingPrompt::Confirm { reply } => reply.send(true).unwrap(),
        other => panic!("nothing else was to be asked than whether it is the right one: {other:?}"),
    }
}
