use bytes::Bytes;
use fastrand::Rng;
use nowbridge::sim::watch::Misbehaviour;
use nowbridge::wire::bridge::{DATA, Seq};
use uuid::Uuid;

use crate::support::sync::{Scene, worn_for};
use crate::support::tamper::Tamper;

/// Cuts notifications short, empties them, or puts something behind them.
struct Mangles(Rng);

impl Tamper for Mangles {
    fn said(&mut self, characteristic: Uuid, value: Bytes) -> Option<Bytes> {
        if characteristic != DATA || self.0.u8(..100) > 2 {
            return Some(value);
        }
        match self.0.u8(..3) {
            0 => Some(Bytes::new()),
            1 => Some(value.slice(..self.0.usize(..value.len()))),
            // Too long for the MTU if it was full: the air does not deliver it.
            _ => Some([&value[..], &[0; 9]].concat().into()),
        }
    }
}

/// Flips a bit near the front of every other notification: often in the block that was asked for.
struct Flips(Rng);

impl Tamper for Flips {
    fn said(&mut self, characteristic: Uuid, value: Bytes) -> Option<Bytes> {
        if characteristic != DATA || self.0.bool() {
            return Some(value);
        }
        let mut value = value.to_vec();
        let at = self.0.usize(..value.len().min(30));
        value[at] ^= 1 << self.0.u8(..8);
        Some(value.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_that_is_damaged_in_flash_is_named_and_the_rest_flows() {
    let scene = Scene::new(worn_for(6)).await;
    assert!(scene.watch.with(|watch| watch.misbehave(Misbehaviour::CorruptStored(Seq(100)))));
    let report = scene.complete_session().await;

    let mut expected = scene.offered();
    let damaged = expected.remove(&Seq(100)).unwrap();
    let stored = scene.stored_log();
    assert_eq!(stored.blocks, expected);
    assert_eq!(stored.gaps, [(Seq(100), Seq(100), "corrupt".to_owned())]);
    let dead = scene.outbox.dead_letters(10).await.unwrap();
    assert_eq!((dead.len(), dead[0].seq, &dead[0].body), (1, Seq(100), &damaged));
    assert_eq!((report.rejected, report.cursor), (1, *expected.keys().next_back().unwrap()));
    let second = scene.complete_session().await;
    assert_eq!((second.fetched, scene.stored_log().gaps.len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_block_that_is_damaged_once_is_fetched_again() {
    let scene = Scene::new(worn_for(6)).await;
    for seq in [1, 50, 51, 700] {
        assert!(scene.watch.with(|watch| watch.misbehave(Misbehaviour::CorruptOnce(Seq(seq)))));
    }
    let report = scene.complete_session().await;
    let stored = scene.stored_log();
    assert_eq!((stored.blocks, stored.gaps), (scene.offered(), vec![]));
    assert_eq!((report.rejected, report.duplicate), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_air_that_damages_never_makes_a_corrupt_block() {
    for seed in 0..5 {
        let scene = Scene::new(worn_for(6)).await;
        scene.watch.with(|watch| watch.misbehave(Misbehaviour::CorruptStored(Seq(9))));
        scene.tamper(Flips(Rng::with_seed(seed)));
        scene.persist().await;
        let mut expected = scene.offered();
        expected.remove(&Seq(9));
        let stored = scene.stored_log();
        assert_eq!(stored.gaps, [(Seq(9), Seq(9), "corrupt".to_owned())], "seed {seed}");
        assert_eq!(stored.blocks, expected, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn mangled_notifications_are_asked_for_again() {
    for seed in 0..5 {
        let scene = Scene::new(worn_for(6)).await;
        scene.tamper(Mangles(Rng::with_seed(seed)));
        scene.persist().await;
        let stored = scene.stored_log();
        assert_eq!((stored.gaps, stored.blocks), (vec![], scene.offered()), "seed {seed}");
    }
}
