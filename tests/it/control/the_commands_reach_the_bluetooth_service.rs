//! The program as people run it, on BlueZ: look around, pair, collect, lend, repair, unpair.

use nowbridge::control::{Client, Job, News, PairingAnswer, Question, Word};
use nowbridge::sim::watch::WatchOptions;
use nowbridge::sync::WatchState;
use tokio::time::Duration;

use crate::support::fake_bluez::Io;
use crate::support::pairing::next;
use crate::support::process::Home;
use crate::support::stage::{CONTROLLER, Stage, Wearable, story};
use crate::support::sync::{ROOMY, worn_watch};

/// A home on the bus of this story.
fn home() -> Home {
    let mut home = Home::new(&format!("[radio]\nkind = \"bluez\"\nadapter = \"{CONTROLLER}\"\n"));
    home.set("DBUS_SYSTEM_BUS_ADDRESS", std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap());
    home
}

async fn worn_on_stage(stage: &Stage) {
    stage.wear(worn_watch(Duration::from_hours(1), ROOMY, WatchOptions::default())).await;
}

#[test]
fn with_a_watch_that_shows_digits() {
    story(async |stage| {
        if stage.only_on_the_fake().is_none() {
            return;
        }
        worn_on_stage(&stage).await;
        stage.equip(Wearable::Bridge, Io::Display, true).await;
        let (home, address) = (home(), Wearable::Bridge.address());
        let daemon = home.daemon().await;
        let scanned = home.run(&["scan", "--seconds", "2"]).await;
        assert!(scanned.printed().contains(&address.0), "{scanned:?}");

        let client = Client::connect(&home.socket()).await.unwrap();
        let name = Some("left wrist".to_owned());
        let job = Job::Pair { address: address.0.clone(), seconds: 60, name: name.clone() };
        let mut news = std::pin::pin!(client.begin(&job).await.unwrap());
        assert_eq!(next(&mut news).await, News::Started);
        let prompt = next(&mut news).await;
        let News::Prompt { id, question: Question::EnterPasskey } = prompt else { panic!("{prompt:?}") };
        let answer = PairingAnswer::Passkey(stage.shown_passkey(Wearable::Bridge).await);
        client.say(&Word::Answer { id, answer }).await.unwrap();
        assert_eq!(next(&mut news).await, News::Paired { address: address.clone(), name });
        home.status_when("its history is fetched", |status| {
            status.watches.iter().any(|watch| watch.complete_at.is_some())
        })
        .await;

        home.run(&["hold", "left wrist"]).await.printed();
        let held = WatchState::Held { until: None };
        home.status_when("it is left alone", |status| status.watches[0].state == held).await;
        assert_eq!(stage.links(Wearable::Bridge).await, 0);
        let probed = home.run(&["probe", "left wrist"]).await;
        assert!(probed.printed().contains("paired with this computer"), "{probed:?}");
        assert!(probed.printed().contains("driver: bridge"), "{probed:?}");
        daemon.stop().await;
    });
}

#[test]
fn with_a_sensor_that_can_show_nothing() {
    story(async |stage| {
        if stage.only_on_the_fake().is_none() {
            return;
        }
        let (home, address) = (home(), Wearable::Sensor.address());
        // Without a daemon the commands use the radio themselves.
        let probed = home.run(&["probe", &address.0]).await;
        assert!(probed.printed().contains("Heart Rate Measurement"), "{probed:?}");
        let daemon = home.daemon().await;
        let paired = home.run(&["pair", &address.0, "--yes"]).await;
        assert!(paired.printed().contains("Paired with C0:DE:00:00:00:01"), "{paired:?}");
        stage.forget_bonds(Wearable::Sensor).await;
        let repaired = home.run(&["repair", &address.0, "--yes"]).await;
        assert!(repaired.printed().contains("Paired with C0:DE:00:00:00:01"), "{repaired:?}");
        let unpaired = home.run(&["unpair", &address.0]).await;
        let words = "C0:DE:00:00:00:01: The bond is removed. It is not looked after any more.\n";
        assert_eq!(unpaired.printed(), words);
        daemon.stop().await;
    });
}
