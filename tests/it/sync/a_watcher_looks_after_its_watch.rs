use std::time::Duration;

use nowbridge::radio::Central;
use nowbridge::radio::air::AirCentral;
use nowbridge::sync::{Mode, WaitReason, WatchState};
use tokio::time::{Instant, sleep, timeout};

use crate::support::sync::{Scene, address, worn_for};
use crate::support::watch::watch;
use crate::support::watcher::{AtWork, BACK_WITHIN, HOUR, MINUTE, SECOND, is_away, is_connected, is_syncing};

/// Whether another host can have the watch.
async fn watch_is_free(scene: &Scene) -> bool {
    AirCentral::new(scene.air.clone()).connect(&address()).await.is_ok()
}

async fn sessions(scene: &Scene) -> usize {
    scene.outbox.sessions(1_000).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn one_that_was_away_is_collected_when_it_comes_back() {
    let scene = Scene::new(worn_for(6)).await;
    scene.air.set_in_range(&address(), false);
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    sleep(10 * HOUR).await;
    let status = at_work.until(MINUTE, is_away).await;
    assert_eq!((status.device, status.complete_at, status.counts.failures), (None, None, 0));

    scene.air.set_in_range(&address(), true);
    let status = at_work.until(MINUTE + SECOND, is_connected).await;
    assert!(status.device.is_some() && status.complete_at.is_some());
    assert_eq!(scene.stored_log().blocks, scene.offered());
    timeout(SECOND, at_work.signals.arrivals.notified()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_is_made_again() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(HOUR, is_connected).await;
    scene.record_events(100);
    scene.air.set_in_range(&address(), false);
    // Out of range is no failure.
    let broken = at_work.until(MINUTE, |status| !is_connected(status)).await;
    assert!(is_away(&broken) && broken.counts.failures == 0, "{broken:?}");
    scene.air.set_in_range(&address(), true);
    at_work.until(BACK_WITHIN, is_connected).await;
    assert_eq!(scene.stored_log().blocks, scene.offered());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_hangs_up_again_and_again_is_called_less_and_less_often() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    for round in 1..=12 {
        at_work.until(HOUR, is_connected).await;
        scene.watch.hang_up();
        let hung_up = at_work.until(SECOND, |status| !is_connected(status)).await;
        let WatchState::Waiting { reason: WaitReason::Failed { detail, failures }, .. } = hung_up.state
        else {
            panic!("{hung_up:?}");
        };
        assert!(detail.contains("closed the link") && failures >= round.min(6), "{failures}: {detail}");
    }
    let waits = at_work.radio.waits();
    assert!(waits[0] < BACK_WITHIN && waits[4] < BACK_WITHIN, "{waits:?}");
    // One that stayed for a while is trusted again.
    at_work.until(HOUR, is_connected).await;
    sleep(2 * MINUTE).await;
    scene.watch.hang_up();
    at_work.until(SECOND, |status| !is_connected(status)).await;
    at_work.until(BACK_WITHIN, is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn it_stays_or_gives_the_watch_back() {
    for mode in [Mode::Stay, Mode::Release] {
        let scene = Scene::new(worn_for(6)).await;
        let mut at_work = AtWork::begin(&scene, mode);
        at_work.until(HOUR, |status| status.complete_at.is_some() && !is_syncing(status)).await;
        // A session is over a moment before its link is.
        sleep(SECOND).await;
        let status = at_work.status.borrow().clone();
        assert_eq!(is_connected(&status), mode == Mode::Stay);
        assert_eq!(watch_is_free(&scene).await, mode == Mode::Release);
        if mode == Mode::Release {
            assert!(matches!(status.state, WatchState::Waiting { reason: WaitReason::Scheduled, .. }));
        }
        // A session takes a second or so.
        sleep(10 * HOUR + HOUR / 60).await;
        assert_eq!(sessions(&scene).await, 10 + 1, "{mode:?}");
        assert_eq!(at_work.radio.connects(), if mode == Mode::Stay { 1 } else { 10 + 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn it_comes_at_once_when_it_is_called() {
    for mode in [Mode::Stay, Mode::Release] {
        let scene = Scene::new(worn_for(6)).await;
        let mut at_work = AtWork::begin(&scene, mode);
        at_work.until(HOUR, |status| status.complete_at.is_some() && !is_syncing(status)).await;
        sleep(SECOND).await;
        scene.record_events(10);
        at_work.signals.sync_now.notify_one();
        at_work.until(2 * SECOND, is_syncing).await;
        at_work.until(2 * SECOND, |status| !is_syncing(status)).await;
        assert_eq!(scene.stored_log().blocks, scene.offered(), "{mode:?}");
    }
    // Also while it waits after a failure.
    let scene = Scene::new(worn_for(6)).await;
    scene.air.set_in_range(&address(), false);
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    sleep(10 * HOUR).await;
    at_work.until(MINUTE, is_away).await;
    scene.air.set_in_range(&address(), true);
    at_work.signals.sync_now.notify_one();
    at_work.until(4 * SECOND, is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_once_when_it_is_told() {
    for after_ms in [0, 300, 450, 700, 1_000, 4_000_000] {
        for in_range in [true, false] {
            let scene = Scene::new(watch(64)).await;
            scene.record_events(1_000);
            scene.air.set_in_range(&address(), in_range);
            let at_work = AtWork::begin(&scene, Mode::Stay);
            sleep(Duration::from_millis(after_ms)).await;
            let start = Instant::now();
            at_work.cancel.cancel();
            at_work.task.await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO, "after {after_ms} ms");
            assert_eq!(at_work.status.borrow().state, WatchState::Stopped);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_nothing_until_something_is_due() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(HOUR, is_connected).await;
    at_work.status.mark_unchanged();
    let almost = Duration::from_mins(59);
    assert!(timeout(almost, at_work.status.changed()).await.is_err(), "{:?}", at_work.status.borrow());
    assert_eq!(sessions(&scene).await, 1);
    timeout(2 * MINUTE, at_work.status.changed()).await.unwrap().unwrap();
}
