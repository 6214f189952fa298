//! `hold` lets go of a watch and keeps off it, across a restart; `release` takes it back.

use nowbridge::control::Status;
use nowbridge::radio::air::{AirCentral, AirLink, LinkModel};
use nowbridge::radio::{Central, Link, PeerAddress};
use nowbridge::sync::WatchState;

use crate::support::daemon::{ADDRESS, Wrist};
use crate::support::process::{Home, until};

fn home() -> (Home, Wrist) {
    let home = Home::new(&format!(
        "[radio]\nkind = \"simulated\"\nair = \"../../air.sock\"\n[[watch]]\naddress = \"{ADDRESS}\"\nname = \"left wrist\"\n"
    ));
    let wrist = Wrist::start(home.path("air.sock"), 3, 1, LinkModel::fast_2m_15ms().scaled(50.0));
    wrist.wear(0..1);
    (home, wrist)
}

/// A phone connects, as soon as the watch is free.
async fn phone(home: &Home) -> AirLink {
    let phone = AirCentral::over_socket(&home.path("air.sock"));
    let address = PeerAddress(ADDRESS.to_owned());
    until("a phone gets the watch", async || phone.connect(&address).await.ok()).await
}

#[tokio::test]
async fn until_it_is_released() {
    let (home, _wrist) = home();
    let daemon = home.daemon().await;
    home.status_when("it is fetched", |status| status.watches[0].complete_at.is_some()).await;

    let held = home.run(&["hold", "left wrist"]).await;
    assert_eq!(held.printed(), "Keeping off left wrist until `nowbridge release \"left wrist\"`.\n");
    let status = home.run(&["status"]).await;
    assert!(status.printed().contains("watch left wrist: on hold"), "{status:?}");
    let link = phone(&home).await;
    daemon.stop().await;

    // The next daemon keeps off from the start, though the watch is free meanwhile.
    link.disconnect().await;
    let daemon = home.daemon().await;
    let is_held = |status: &Status| status.watches[0].state == WatchState::Held { until: None };
    let status = home.status_when("it is left alone", is_held).await;
    assert_eq!((status.watches[0].counts.connects, status.watches[0].complete_at), (0, None));
    let link = phone(&home).await;
    link.disconnect().await;

    let released = home.run(&["release", &ADDRESS.to_lowercase()]).await;
    assert!(released.printed().starts_with("Taking left wrist back"), "{released:?}");
    home.status_when("it is fetched again", |status| status.watches[0].complete_at.is_some()).await;
    let again = home.run(&["release", "left wrist"]).await;
    assert_eq!(again.printed(), "left wrist is not on hold.\n");
    daemon.stop().await;
}

#[tokio::test]
async fn or_until_the_time_is_up() {
    let (home, _wrist) = home();
    let daemon = home.daemon().await;
    let held = home.run(&["hold", "left wrist", "--for", "1s"]).await;
    assert!(held.printed().contains("for 1 s, or until"), "{held:?}");
    home.status_when("it is fetched", |status| {
        matches!(status.watches[0].state, WatchState::Connected { .. })
    })
    .await;
    daemon.stop().await;
}
