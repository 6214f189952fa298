//! SIGTERM in the middle of a session and of an upload that hangs: the end is at once and in order.

use nowbridge::outbox::Outbox;
use nowbridge::radio::air::LinkModel;
use nowbridge::sync::WatchState;

use crate::support::daemon::{Hold, World, config, is_complete};

#[tokio::test]
async fn and_the_next_start_goes_on_from_there() {
    let mut world = World::new(8, 2, LinkModel::fast_2m_15ms().scaled(0.3)).await;
    world.home.configure(&(config(&world.cloud.url) + "[upload]\nmax_rows = 500\n"));
    world.wrist.wear(0..2);
    world.cloud.uploads.hold(Some(Hold::Answer));
    let daemon = world.home.daemon().await;
    world.held.recv().await.unwrap();
    let status = world.home.status().await.unwrap();
    assert!(matches!(status.watches[0].state, WatchState::Syncing(_)), "{status:#?}");
    daemon.stop().await;
    let outbox = Outbox::open(&world.home.state(), nowbridge::clock::Clock::System).await.unwrap();
    assert!(!outbox.backlog(&nowbridge::upload::nowatch()).await.unwrap().is_empty());
    outbox.close().await.unwrap();

    world.cloud.uploads.hold(None);
    let daemon = world.home.daemon().await;
    let status = world.home.status_when("everything is in the cloud", is_complete).await;
    world.assert_everything_arrived_once(&status).await;
    daemon.stop().await;
}
