//! The radio asks, the socket carries the question, somebody answers, and the watch is looked after at once.

use nowbridge::control::{ControlError, Fault, Job, News, PairingAnswer, Question, Word};
use nowbridge::sync::WatchState;

use crate::support::pairing::{Asks, PASSKEY, Room, address, next};
use crate::support::process::until;

fn pair(name: Option<&str>) -> Job {
    Job::Pair { address: address().0.to_lowercase(), seconds: 60, name: name.map(str::to_owned) }
}

#[tokio::test]
async fn whatever_the_watch_asks() {
    for (asks, question, answer) in [
        (Asks::EnterPasskey, Question::EnterPasskey, Some(PairingAnswer::Passkey(PASSKEY))),
        (Asks::CompareNumbers, Question::CompareNumbers { passkey: PASSKEY }, Some(PairingAnswer::Yes(true))),
        (Asks::Confirm, Question::Confirm, Some(PairingAnswer::Yes(true))),
        (Asks::ShowPasskey, Question::ShowPasskey { passkey: PASSKEY }, None),
    ] {
        let mut room = Room::new(asks).await;
        let client = room.client().await;
        // Nobody has configured it and nobody has paired it: it is left alone.
        assert_eq!(client.status().await.unwrap().watches, []);
        let mut news = std::pin::pin!(client.begin(&pair(Some("left wrist"))).await.unwrap());
        assert_eq!(next(&mut news).await, News::Started);
        let News::Prompt { id, question: asked } = next(&mut news).await else { panic!("no prompt") };
        assert_eq!(asked, question);
        match answer {
            Some(answer) => drop(client.say(&Word::Answer { id, answer }).await.unwrap()),
            None => room.radio.typed.notify_one(),
        }
        let name = Some("left wrist".to_owned());
        assert_eq!(next(&mut news).await, News::Paired { address: address(), name: name.clone() });

        let fetched = |status: &nowbridge::control::Status| {
            status.watches.iter().any(|watch| watch.name == name && watch.complete_at.is_some())
        };
        room.home.status_when("its history is fetched", fetched).await;
        // The next daemon knows it, too.
        room.restart().await;
        room.home.status_when("it is fetched again", fetched).await;
    }
}

#[tokio::test]
async fn and_a_wrong_answer_ends_it() {
    let room = Room::new(Asks::EnterPasskey).await;
    let client = room.client().await;
    let mut news = std::pin::pin!(client.begin(&pair(None)).await.unwrap());
    assert_eq!(next(&mut news).await, News::Started);
    let News::Prompt { id, .. } = next(&mut news).await else { panic!("no prompt") };

    // What makes no sense is refused, and the question stays open.
    for (id, answer, words) in [
        (id, PairingAnswer::Yes(true), "a passkey"),
        (id, PairingAnswer::Passkey(1_000_000), "six digits"),
        (id + 1, PairingAnswer::Passkey(PASSKEY), "no question"),
    ] {
        let refused = client.say(&Word::Answer { id, answer }).await.unwrap_err();
        let ControlError::Refused(complaint) = refused else { panic!("{refused}") };
        assert!(complaint.fault == Fault::Request && complaint.message.contains(words), "{complaint}");
    }
    client.say(&Word::Answer { id, answer: PairingAnswer::Passkey(PASSKEY + 1) }).await.unwrap();
    let News::Failed(complaint) = next(&mut news).await else { panic!("not failed") };
    assert_eq!(complaint.fault, Fault::Pairing);
    assert!(complaint.message.contains("the watch refused"), "{complaint}");
    assert_eq!(client.status().await.unwrap().watches, []);

    let late = client.say(&Word::Answer { id, answer: PairingAnswer::Passkey(PASSKEY) }).await;
    assert!(matches!(late, Err(ControlError::Refused(why)) if why.fault == Fault::Request));
}

#[tokio::test]
async fn one_at_a_time_and_whoever_hangs_up_calls_it_off() {
    let room = Room::new(Asks::Confirm).await;
    let client = room.client().await;
    {
        let mut news = std::pin::pin!(client.begin(&pair(None)).await.unwrap());
        assert_eq!(next(&mut news).await, News::Started);
        assert!(matches!(next(&mut news).await, News::Prompt { .. }));
        for second in [pair(None), Job::Scan { seconds: 1 }, Job::Probe { watch: address().0 }] {
            let refused = client.begin(&second).await.err().expect("one at a time");
            let ControlError::Refused(complaint) = refused else { panic!("{refused}") };
            assert_eq!(complaint.fault, Fault::Busy);
            assert!(complaint.message.starts_with("a pairing with E7:12:0A:00:00:01"), "{complaint}");
        }
        assert_eq!(*room.radio.called_off.borrow(), 0);
    }
    room.radio.called_off.subscribe().wait_for(|count| *count == 1).await.unwrap();
    drop(until("the desk is free", async || client.begin(&Job::Scan { seconds: 1 }).await.ok()).await);
}

#[tokio::test]
async fn and_what_cannot_be_is_refused_before_anything_begins() {
    let room = Room::configured(
        Asks::Confirm,
        "[[watch]]\naddress = \"E7:12:0A:00:00:07\"\nname = \"right wrist\"\n",
    )
    .await;
    let client = room.client().await;
    let with = |address: &str, seconds, name: Option<&str>| Job::Pair {
        address: address.to_owned(),
        seconds,
        name: name.map(str::to_owned),
    };
    for (job, words) in [
        (with("left wrist", 60, None), "one looks like \"E7:12:0A:00:00:01\""),
        (with("E7:12:0A:00:00:01", 0, None), "5 to 600"),
        (with("E7:12:0A:00:00:01", 60, Some("right wrist")), "another watch is called \"right wrist\""),
    ] {
        let refused = client.begin(&job).await.err().expect("it makes no sense");
        let ControlError::Refused(complaint) = refused else { panic!("{refused}") };
        assert!(complaint.fault == Fault::Request && complaint.message.contains(words), "{complaint}");
    }
}

#[tokio::test]
async fn and_a_watch_on_hold_is_taken_back_by_it() {
    let watch = format!("[[watch]]\naddress = \"{}\"\n", address());
    let room = Room::configured(Asks::Confirm, &watch).await;
    let client = room.client().await;
    client.say(&Word::Hold { watch: address().0, time: None }).await.unwrap();
    let held = WatchState::Held { until: None };
    room.home.status_when("it is left alone", |status| status.watches[0].state == held).await;

    let mut news = std::pin::pin!(client.begin(&pair(None)).await.unwrap());
    assert_eq!(next(&mut news).await, News::Started);
    let News::Prompt { id, .. } = next(&mut news).await else { panic!("no prompt") };
    let busy = client.say(&Word::Release { watch: address().0 }).await.unwrap_err();
    assert!(matches!(&busy, ControlError::Refused(why) if why.fault == Fault::Busy), "{busy}");
    client.say(&Word::Answer { id, answer: PairingAnswer::Yes(true) }).await.unwrap();
    assert!(matches!(next(&mut news).await, News::Paired { .. }));
    room.home.status_when("it is fetched", |status| status.watches[0].complete_at.is_some()).await;
}
