//! `kill -9` in the middle of a session and in the middle of an upload: what the watch has is in the cloud, once.

use nowbridge::control::Status;
use nowbridge::radio::air::LinkModel;
use nowbridge::sync::WatchState;
use nowbridge::wire::bridge::Seq;

use crate::support::daemon::{Hold, World, config, is_complete};

const ROUNDS: u64 = 3;
const HOURS_A_ROUND: u64 = 2;

#[tokio::test]
async fn whenever_it_is_killed() {
    let seed = 20_260_101;
    let mut rng = fastrand::Rng::with_seed(seed);
    // Half as fast as life, so that there is a middle to hit.
    let mut world = World::new(seed, ROUNDS * HOURS_A_ROUND, LinkModel::fast_2m_15ms().scaled(0.5)).await;
    world.home.configure(&(config(&world.cloud.url) + "[upload]\nmax_rows = 1500\n"));
    for round in 0..ROUNDS {
        world.wrist.wear(round * HOURS_A_ROUND..(round + 1) * HOURS_A_ROUND);
        let at = [Hold::Request, Hold::Answer][rng.usize(..2)];
        world.cloud.uploads.hold(Some(at));

        // In a session: some blocks are committed, some are not.
        let daemon = world.home.daemon().await;
        let blocks = rng.u32(1..100);
        let status = world.home.status_when("blocks arrive", |now| committed(now) > blocks).await;
        daemon.kill().await;
        assert!(matches!(status.watches[0].state, WatchState::Syncing(_)), "round {round}: {status:#?}");

        // In an upload that the cloud may or may not have.
        while world.held.try_recv().is_ok() {}
        let daemon = world.home.daemon().await;
        for _ in 0..rng.u32(0..4) {
            world.held.recv().await.unwrap();
            world.cloud.uploads.let_one_through();
        }
        world.held.recv().await.unwrap();
        daemon.kill().await;

        world.cloud.uploads.hold(None);
        let daemon = world.home.daemon().await;
        let status = world.home.status_when("everything is in the cloud", is_complete).await;
        world.assert_everything_arrived_once(&status).await;
        daemon.kill().await;
    }
}

/// How many blocks this session has committed.
fn committed(status: &Status) -> u32 {
    match status.watches[0].state {
        WatchState::Syncing(progress) if progress.cursor > Seq(0) => progress.fetched as u32,
        _ => 0,
    }
}
