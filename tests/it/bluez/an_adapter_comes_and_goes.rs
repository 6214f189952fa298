use nowbridge::config::AdapterChoice;
use nowbridge::radio::bluez::BluezCentral;
use nowbridge::radio::{Central, Link, LinkClosed, RadioError, RadioState, RadioTrouble, sig};

use super::ours::{connected, not_ready, radio, ready};
use crate::support::stage::{ADAPTER, CONTROLLER, Wearable, story};

#[test]
fn switched_off_it_takes_its_links_along_and_switched_on_it_is_used_again() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        stage.power(false).await;
        assert_eq!(link.closed().await, LinkClosed::RadioGone);
        assert_eq!(not_ready(&radio).await, RadioTrouble::AdapterOff);
        let refused = radio.scan(std::time::Duration::ZERO).await;
        assert!(matches!(refused, Err(RadioError::NotReady(RadioTrouble::AdapterOff))), "{refused:?}");
        // Nobody but its owner switches it on.
        assert_eq!(not_ready(&radio).await, RadioTrouble::AdapterOff);

        stage.power(true).await;
        ready(&radio).await;
        connected(&radio, Wearable::Sensor).await;
    });
}

#[test]
fn pulled_out_it_takes_its_links_along_and_plugged_in_it_is_used_again() {
    story(async |stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        stage.pull_out().await;
        assert_eq!(link.closed().await, LinkClosed::RadioGone);
        // BlueZ may say first that it is off.
        let gone = |state: &RadioState| matches!(state, RadioState::NotReady(RadioTrouble::NoAdapter { .. }));
        radio.state().wait_for(gone).await.unwrap();

        stage.plug_in().await;
        ready(&radio).await;
        let link = connected(&radio, Wearable::Sensor).await;
        assert_eq!(link.read(sig(0x2A19)).await.unwrap(), [87]);
    });
}

#[test]
fn it_is_known_again_under_another_path() {
    story(async |stage| {
        let Some(fake) = stage.only_on_the_fake() else { return };
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        fake.with(|machine| machine.pull_out(ADAPTER)).await;
        assert_eq!(link.closed().await, LinkClosed::RadioGone);
        assert!(matches!(not_ready(&radio).await, RadioTrouble::NoAdapter { .. }));

        fake.with(|machine| machine.plug_in(ADAPTER, "00:AA:01:00:00:99")).await;
        fake.with(|machine| machine.plug_in("/org/bluez/hci1", CONTROLLER)).await;
        ready(&radio).await;
        let link = connected(&radio, Wearable::Sensor).await;
        assert_eq!(link.read(sig(0x2A19)).await.unwrap(), [87]);
    });
}

#[test]
fn another_one_does_not_take_its_place() {
    story(async |stage| {
        let Some(fake) = stage.only_on_the_fake() else { return };
        let other = "00:AA:01:00:00:99";
        let radio = BluezCentral::start(AdapterChoice::Controller(other.parse().unwrap()));
        let mut state = radio.state();
        let told = |state: &RadioState| {
            matches!(state, RadioState::NotReady(RadioTrouble::NoAdapter { detail })
            if detail.contains(other) && detail.contains(CONTROLLER))
        };
        state.wait_for(told).await.unwrap();
        fake.with(move |machine| machine.plug_in("/org/bluez/hci1", other)).await;
        ready(&radio).await;
    });
}

#[test]
fn blocked_it_says_so() {
    story(async |stage| {
        let radio = radio().await;
        stage.block(true).await;
        radio.state().wait_for(|state| state.check().is_err_and(|error| is_blocked(&error))).await.unwrap();
        stage.block(false).await;
        // Some do that themselves.
        stage.power(true).await;
        ready(&radio).await;
    });
}

fn is_blocked(error: &RadioError) -> bool {
    matches!(error, RadioError::NotReady(RadioTrouble::Blocked))
}
