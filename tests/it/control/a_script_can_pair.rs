//! `nowbridge pair` where nobody sits at a terminal.

use nowbridge::control::News;

use crate::support::pairing::{Asks, Room, address};
use crate::support::process::Ended;

async fn pair(room: &Room, flags: &[&str]) -> Ended {
    room.home.run(&[&["pair", &address().0][..], flags].concat()).await
}

#[tokio::test]
async fn with_the_answers_on_the_command_line() {
    for (asks, flags) in [
        (Asks::EnterPasskey, &["--passkey", "042137"][..]),
        (Asks::CompareNumbers, &["--passkey", "042137"]),
        (Asks::CompareNumbers, &["--yes"]),
        (Asks::Confirm, &["--yes"]),
    ] {
        let room = Room::new(asks).await;
        let paired = pair(&room, &[flags, &["--name", "left wrist"]].concat()).await;
        let words = "Paired with left wrist (E7:12:0A:00:00:01). The daemon looks after it from now on.";
        assert!(paired.printed().contains(words), "{asks:?} {flags:?}: {paired:?}");
    }
}

#[tokio::test]
async fn and_every_step_in_json() {
    let room = Room::new(Asks::EnterPasskey).await;
    let paired = pair(&room, &["--passkey", "042137", "--json"]).await;
    let told: Vec<News> = paired.printed().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        matches!(&told[..], [News::Started, News::Prompt { .. }, News::Paired { address: with, .. }] if *with == address()),
        "{told:?}"
    );
}

#[tokio::test]
async fn but_is_told_which_answer_is_missing() {
    let room = Room::new(Asks::EnterPasskey).await;
    let line = pair(&room, &[]).await;
    assert!(line.refused(64).contains("give --passkey"), "{line:?}");
    let line = pair(&room, &["--yes"]).await;
    assert!(line.refused(64).contains("give them with --passkey"), "{line:?}");
    room.radio.ask(Asks::Confirm);
    let line = pair(&room, &["--passkey", "042137"]).await;
    assert!(line.refused(64).contains("give --yes"), "{line:?}");
    // Each of them hung up, and that called the pairing off.
    room.radio.called_off.subscribe().wait_for(|count| *count == 2).await.unwrap();

    let line = pair(&room, &["--passkey", "42137"]).await;
    assert_eq!(line.code, Some(64));
    assert!(line.stderr.contains("six digits"), "{line:?}");
}

#[tokio::test]
async fn and_a_no_is_a_no() {
    let room = Room::new(Asks::EnterPasskey).await;
    let line = pair(&room, &["--passkey", "111111"]).await;
    assert!(line.refused(77).contains("the watch refused"), "{line:?}");
    room.radio.ask(Asks::CompareNumbers);
    let line = pair(&room, &["--passkey", "111111", "--yes"]).await;
    assert!(line.refused(77).contains("pairing with E7:12:0A:00:00:01 failed"), "{line:?}");
    assert!(room.radio.bonds.borrow().is_empty());
}
