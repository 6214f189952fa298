//! A bond can be made anew, and ended.

use nowbridge::control::{Fault, Job, News, PairingAnswer, Word};
use nowbridge::wire::bridge::DeviceId;

use crate::support::pairing::{Asks, Room, address, next};

/// Answers yes to whatever is asked, and returns how it ended.
async fn to_the_end(room: &Room, job: Job) -> News {
    let client = room.client().await;
    let mut news = std::pin::pin!(client.begin(&job).await.unwrap());
    loop {
        match next(&mut news).await {
            News::Prompt { id, .. } => {
                drop(client.say(&Word::Answer { id, answer: PairingAnswer::Yes(true) }).await.unwrap());
            }
            last if last.is_last() => return last,
            _ => {}
        }
    }
}

fn pair() -> Job {
    Job::Pair { address: address().0, seconds: 60, name: Some("left wrist".to_owned()) }
}

#[tokio::test]
async fn by_its_name() {
    let mut room = Room::new(Asks::Confirm).await;
    to_the_end(&room, pair()).await;
    room.home.status_when("it is fetched", |status| status.watches[0].complete_at.is_some()).await;

    // The keys are still there, but the watch has another mind.
    room.radio.ask(Asks::CompareNumbers);
    let repaired = to_the_end(&room, Job::Repair { watch: "left wrist".to_owned(), seconds: 60 }).await;
    let name = Some("left wrist".to_owned());
    assert_eq!(repaired, News::Paired { address: address(), name: name.clone() });
    assert!(room.radio.bonds.borrow().contains(&address()));
    room.home.status_when("it is tried at once", |status| status.watches[0].complete_at.is_some()).await;

    let unpaired = to_the_end(&room, Job::Unpair { watch: "left wrist".to_owned() }).await;
    let expected = News::Unpaired { address: address(), name, bond: true, configured: false };
    assert_eq!(unpaired, expected);
    assert!(room.radio.bonds.borrow().is_empty());
    assert_eq!(room.client().await.status().await.unwrap().watches, []);
    room.restart().await;
    assert_eq!(room.client().await.status().await.unwrap().watches, []);
    room.another_host_connects().await;
}

#[tokio::test]
async fn and_whoever_answers_there_now_is_believed() {
    let mut room = Room::new(Asks::Confirm).await;
    to_the_end(&room, pair()).await;
    let another = DeviceId([9; 16]);
    room.restart_after(async |outbox| {
        outbox.unbind_peer(&address()).await.unwrap();
        outbox.bind_peer(&address(), another).await.unwrap();
    })
    .await;
    to_the_end(&room, Job::Repair { watch: address().0, seconds: 60 }).await;
    let peers = room.restart_after(async |outbox| outbox.peers().await.unwrap()).await;
    assert_eq!(peers.len(), 1);
    assert_ne!(peers[0].device, Some(another));
}

#[tokio::test]
async fn who_cannot_be_paired_is_known_as_before() {
    let mut room = Room::new(Asks::Confirm).await;
    to_the_end(&room, pair()).await;
    room.home.status_when("it is fetched", |status| status.watches[0].complete_at.is_some()).await;
    room.radio.ask(Asks::Nothing);
    for _ in 0..2 {
        let failed = to_the_end(&room, Job::Repair { watch: address().0, seconds: 60 }).await;
        let News::Failed(complaint) = failed else { panic!("{failed:?}") };
        assert_eq!(complaint.fault, Fault::Pairing);
    }
    let peers = room.restart_after(async |outbox| outbox.peers().await.unwrap()).await;
    assert!(peers[0].device.is_some());
}

#[tokio::test]
async fn and_one_that_needs_no_bond_is_only_forgotten() {
    let watch = format!("[[watch]]\naddress = \"{}\"\n", address());
    for asks in [Asks::Nothing, Asks::NoRadio] {
        let mut room = Room::configured(asks, &watch).await;
        let another = DeviceId([9; 16]);
        room.restart_after(async |outbox| {
            outbox.unbind_peer(&address()).await.unwrap();
            outbox.bind_peer(&address(), another).await.unwrap();
        })
        .await;
        room.home.status_when("it is a stranger", |status| status.watches[0].counts.strangers > 0).await;
        let unbound = to_the_end(&room, Job::Repair { watch: address().0, seconds: 60 }).await;
        assert_eq!(unbound, News::Unbound { address: address(), name: None }, "{asks:?}");
        room.home.status_when("it is believed", |status| status.watches[0].complete_at.is_some()).await;
        let said = room.home.run(&["repair", &address().0, "--yes"]).await;
        assert!(said.printed().contains("no bond was needed"), "{said:?}");
    }
}

#[tokio::test]
async fn but_one_that_is_configured_stays() {
    let watch = format!("[[watch]]\naddress = \"{}\"\n", address());
    let room = Room::configured(Asks::Confirm, &watch).await;
    let unpaired = to_the_end(&room, Job::Unpair { watch: address().0 }).await;
    let expected = News::Unpaired { address: address(), name: None, bond: false, configured: true };
    assert_eq!(unpaired, expected);
    room.home.status_when("it is fetched", |status| status.watches[0].complete_at.is_some()).await;
    let said = room.home.run(&["unpair", &address().0]).await;
    assert!(said.printed().contains("There was no bond. It stays configured"), "{said:?}");
}
