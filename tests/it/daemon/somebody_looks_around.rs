//! `scan` and `probe`, with a daemon and without one.

use nowbridge::control::{Here, News};
use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::LinkModel;
use nowbridge::watch::DriverName;

use crate::support::daemon::{ADDRESS, Wrist};
use crate::support::process::{Ended, Home};

const AIR: &str = "[radio]\nkind = \"simulated\"\nair = \"../../air.sock\"\n";

fn home(more: &str) -> (Home, Wrist) {
    let home = Home::new(&format!("{AIR}{more}"));
    let wrist = Wrist::start(home.path("air.sock"), 4, 1, LinkModel::fast_2m_15ms().scaled(50.0));
    wrist.wear(0..1);
    (home, wrist)
}

fn configured() -> String {
    format!("[[watch]]\naddress = \"{ADDRESS}\"\nname = \"left wrist\"\n")
}

fn news(ended: &Ended) -> News {
    serde_json::from_str(ended.printed()).unwrap()
}

#[tokio::test]
async fn through_the_daemon() {
    let (home, _wrist) = home("");
    let daemon = home.daemon().await;
    let scanned = home.run(&["scan", "--seconds", "1"]).await;
    for words in ["ADDRESS", ADDRESS, "simulated watch", "-60 dBm", "nowbridge bridge"] {
        assert!(scanned.printed().contains(words), "no {words} in {scanned:?}");
    }
    let probed = home.run(&["probe", ADDRESS, "--json"]).await;
    let News::Probed(probe) = news(&probed) else { panic!("{probed:?}") };
    assert_eq!(
        (probe.driver, probe.abilities),
        (Some(DriverName::Bridge), vec!["log".to_owned(), "clock".to_owned()])
    );
    assert!(probe.identity.device.is_some() && probe.identity.synthetic, "{:?}", probe.identity);
    let names: Vec<_> = probe.services.iter().flat_map(|service| &service.characteristics).collect();
    assert!(names.iter().any(|it| it.name.as_deref() == Some("bridge data")), "{names:?}");
    // Default deny: that somebody has looked at it is no reason to look after it.
    assert_eq!(home.status().await.unwrap().watches, []);
    daemon.stop().await;
}

#[tokio::test]
async fn where_no_daemon_runs() {
    let (home, _wrist) = home(&configured());
    let scanned = home.run(&["scan", "--seconds", "1", "--json"]).await;
    let News::Heard { devices, .. } = news(&scanned) else { panic!("{scanned:?}") };
    assert_eq!(devices.len(), 1, "{devices:?}");
    assert_eq!(devices[0].sighting.address, PeerAddress(ADDRESS.to_owned()));
    assert_eq!(devices[0].here, Here::Configured { name: Some("left wrist".to_owned()) });
    let probed = home.run(&["probe", "left wrist"]).await;
    assert!(probed.printed().contains("driver: bridge (log, clock)"), "{probed:?}");
    let nobody = home.run(&["probe", "E7:12:0A:00:00:55"]).await;
    assert!(nobody.refused(69).contains("E7:12:0A:00:00:55 does not answer"), "{nobody:?}");
}

#[tokio::test]
async fn at_a_watch_that_the_daemon_has() {
    let (home, _wrist) = home(&configured());
    let daemon = home.daemon().await;
    home.status_when("it is fetched", |status| status.watches[0].complete_at.is_some()).await;
    let scanned = home.run(&["scan", "--seconds", "1"]).await;
    assert!(scanned.printed().contains("not heard: left wrist (connected to the daemon"), "{scanned:?}");
    let probed = home.run(&["probe", "left wrist"]).await;
    assert!(probed.refused(75).contains(&format!("`nowbridge hold {ADDRESS}` first")), "{probed:?}");
    home.run(&["hold", ADDRESS]).await.printed();
    let probed = home.run(&["probe", "left wrist"]).await;
    assert!(probed.printed().contains("driver: bridge"), "{probed:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn and_asks_for_what_is_not_there() {
    let (home, _wrist) = home(&configured());
    let daemon = home.daemon().await;
    let only = format!("the only one is \"left wrist\" ({ADDRESS})");
    for command in [
        &["hold", "right wrist"][..],
        &["release", "right wrist"],
        &["sync", "right wrist"],
        &["repair", "right wrist", "--yes"],
    ] {
        let refused = home.run(command).await;
        assert!(refused.refused(64).contains(&only), "{refused:?}");
    }
    let stranger = home.run(&["hold", "E7:12:0A:00:00:55"]).await;
    assert!(stranger.refused(64).contains("E7:12:0A:00:00:55 is not looked after here"), "{stranger:?}");
    let malformed = home.run(&["pair", "E7-12-0A", "--yes"]).await;
    assert!(
        malformed.refused(64).contains("\"E7-12-0A\" is not a Bluetooth address; one looks like"),
        "{malformed:?}"
    );
    // The simulated radio has no keys to exchange.
    let unable = home.run(&["pair", ADDRESS, "--yes"]).await;
    assert!(unable.refused(69).contains("this radio cannot pair"), "{unable:?}");
    home.status_when("the watch is looked after all the same", |status| {
        status.watches[0].complete_at.is_some()
    })
    .await;
    let synced = home.run(&["sync", "left wrist"]).await;
    assert!(synced.printed().contains("with the watch"), "{synced:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn with_the_radio_off() {
    let home = Home::new("[[watch]]\naddress = \"E7:12:0A:00:00:01\"\n");
    let without = home.run(&["scan", "--seconds", "1"]).await;
    assert!(without.refused(78).contains("set radio.kind"), "{without:?}");
    let daemon = home.daemon().await;
    for command in [&["scan", "--seconds", "1"][..], &["pair", ADDRESS, "--yes"], &["hold", ADDRESS]] {
        let refused = home.run(command).await;
        assert!(refused.refused(78).contains("set radio.kind"), "{refused:?}");
    }
    daemon.stop().await;
}
