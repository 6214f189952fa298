//! A daemon that comes back keeps off the watch that the one before it kept off, for as long as that was meant.

use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::control::{ControlError, Fault, Status, Word};
use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::{Hold, Outbox, PeerRow};
use nowbridge::radio::{Link, PeerAddress};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::watch::WatchOptions;
use nowbridge::sync::WatchState;

use crate::support::pairing::{Asks, Room, address};
use crate::support::sync::{ROOMY, worn_watch};

fn configured(address: &PeerAddress) -> String {
    format!("[[watch]]\naddress = \"{address}\"\nname = \"left wrist\"\n")
}

async fn remembered(outbox: &Outbox, address: &PeerAddress) -> PeerRow {
    outbox.peers().await.unwrap().into_iter().find(|peer| peer.address == *address).unwrap()
}

const fn held_until(status: &Status) -> Option<UtcMicros> {
    match status.watches.as_slice() {
        [watch] => match watch.state {
            WatchState::Held { until } => until,
            _ => None,
        },
        _ => None,
    }
}

fn is_fetched(status: &Status) -> bool {
    status.watches[0].complete_at.is_some()
}

#[tokio::test]
async fn but_no_time_at_all_is_no_hold() {
    let room = Room::configured(Asks::Confirm, &configured(&address())).await;
    let hold = Word::Hold { watch: "left wrist".to_owned(), time: Some(Duration::ZERO) };
    let refused = room.client().await.say(&hold).await.unwrap_err();
    let ControlError::Refused(complaint) = refused else { panic!("{refused}") };
    assert_eq!(complaint.fault, Fault::Request);
    room.home.status_when("it is fetched", is_fetched).await;
}

#[tokio::test]
async fn until_its_time_is_up_even_if_nobody_was_there_to_see_that() {
    let mut room = Room::configured(Asks::Confirm, &configured(&address())).await;
    room.home.status_when("it is fetched", is_fetched).await;
    room.home.run(&["hold", "left wrist", "--for", "1h"]).await.printed();
    let held = room.home.status_when("it is held", |status| held_until(status).is_some()).await;

    let kept = room.restart_after(async |outbox| remembered(outbox, &address()).await).await;
    let until = held_until(&held).unwrap();
    assert_eq!((kept.hold, kept.paired), (Hold::Until(until), None));
    let status = room.home.status_when("it is still held", |now| held_until(now) == Some(until)).await;
    assert_eq!((status.watches[0].counts.connects, status.watches[0].complete_at), (0, None));
    let phone = room.another_host_connects().await;
    let asked = room.home.run(&["sync"]).await;
    assert!(asked.printed().starts_with("Not now: left wrist: on hold"), "{asked:?}");
    assert!(asked.printed().ends_with("run `nowbridge release \"left wrist\"`.\n"), "{asked:?}");
    phone.disconnect().await;

    room.restart_after(async |outbox| {
        let just_over = UtcMicros(Clock::System.now().0 - 1);
        outbox.set_hold(&address(), Hold::Until(just_over)).await.unwrap();
    })
    .await;
    room.home.status_when("it is fetched again", is_fetched).await;
    let again = room.home.run(&["release", "left wrist"]).await;
    assert_eq!(again.printed(), "left wrist is not on hold.\n");
}

#[tokio::test]
async fn also_off_a_watch_that_never_was_here() {
    let away = PeerAddress("E7:12:0A:00:00:09".to_owned());
    let mut room = Room::configured(Asks::Confirm, &configured(&away)).await;
    room.home.run(&["hold", "left wrist"]).await.printed();
    let kept = room.restart_after(async |outbox| remembered(outbox, &away).await).await;
    assert_eq!((kept.hold, kept.device, kept.paired), (Hold::UntilReleased, None, None));

    room.air.place(
        away.clone(),
        WatchOnAir::new(worn_watch(Duration::from_hours(1), ROOMY, WatchOptions::default())),
    );
    let is_held = |status: &Status| status.watches[0].state == WatchState::Held { until: None };
    let status = room.home.status_when("it is left alone", is_held).await;
    assert_eq!(status.watches[0].counts.connects, 0);
    room.home.run(&["release", "left wrist"]).await.printed();
    room.home.status_when("it is fetched", is_fetched).await;

    room.restart().await;
    room.home.status_when("it is fetched, as nothing keeps off it", is_fetched).await;
}
