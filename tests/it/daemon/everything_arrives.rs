//! From the watch to the cloud, with the program that people run.

use nowbridge::control::Status;
use nowbridge::outbox::Outbox;
use nowbridge::radio::air::LinkModel;

use crate::support::daemon::{World, is_complete};
use crate::support::process::until;

#[tokio::test]
async fn and_the_daemon_tells_so_and_ends_in_order() {
    let world = World::new(1, 3, LinkModel::fast_2m_15ms().scaled(20.0)).await;
    world.wrist.wear(0..2);
    let daemon = world.home.daemon().await;
    let mut follower = world.home.start(&["status", "--watch", "--json"]);
    let complete = world.home.status_when("everything is in the cloud", is_complete).await;
    world.assert_everything_arrived_once(&complete).await;

    let printed = world.home.run(&["status", "--json"]).await;
    let status: Status = serde_json::from_str(printed.printed()).unwrap();
    assert_eq!(status.daemon.pid, daemon.pid());
    assert!(is_complete(&status), "{status:#?}");
    let text = world.home.run(&["status"]).await;
    for wanted in ["left wrist", &world.cloud.url, "logged in", "outbox", "HEART_RATE", "HEART_BEAT"] {
        assert!(text.printed().contains(wanted), "no {wanted} in:\n{}", text.stdout);
    }

    // What the watch has recorded since is fetched on request.
    world.wrist.wear(2..3);
    assert!(world.home.run(&["sync"]).await.printed().contains("the watch"));
    let blocks =
        |status: &Status| status.outbox.as_ref().unwrap().streams.iter().map(|it| it.samples).sum::<u64>();
    let before = blocks(&complete);
    let again = world
        .home
        .status_when("the last hour has come", |now| blocks(now) > before && is_complete(now))
        .await;
    world.assert_everything_arrived_once(&again).await;

    // The last line told is the last state there was.
    let last = |text: &str| text.lines().last().map(|line| serde_json::from_str::<Status>(line).unwrap());
    until("the follower has caught up", async || {
        last(&follower.stdout())
            .filter(|told| (&told.watches, &told.outbox) == (&again.watches, &again.outbox))
    })
    .await;
    daemon.stop().await;
    assert_eq!(follower.ended().await.code(), Some(0), "{}", follower.stderr());
    assert!(!world.home.socket().exists());
    let outbox = Outbox::open(&world.home.state(), nowbridge::clock::Clock::System).await.unwrap();
    assert!(outbox.backlog(&nowbridge::upload::nowatch()).await.unwrap().is_empty());
    outbox.close().await.unwrap();
    let left: Vec<_> =
        std::fs::read_dir(world.home.state()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with("-wal")), "{left:?}");
}
