use nowbridge::sim::WatchOnAir;
use nowbridge::sync::{Mode, WaitReason, WatchState};
use nowbridge::wire::bridge::DeviceId;
use tokio::time::sleep;

use crate::support::sync::{Scene, address, worn_for};
use crate::support::watch::watch_with;
use crate::support::watcher::{AtWork, BACK_WITHIN, HOUR, MINUTE, SECOND, is_connected};

#[tokio::test(start_paused = true)]
async fn a_device_that_answers_as_another_waits_for_a_persons_word() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(MINUTE, is_connected).await;
    let stored = scene.stored_log().blocks;

    let other = WatchOnAir::new(watch_with(64, |options| options.device_id = DeviceId([0xAB; 16])));
    scene.air.place(address(), other);
    let refused = at_work.until_state(MINUTE, "refused").await;
    let WatchState::Waiting { reason: WaitReason::Refused { detail }, .. } = &refused.state else {
        panic!("{refused:?}");
    };
    assert!(detail.contains(&"ab".repeat(16)) && detail.contains("nowbridge repair"), "{detail}");
    assert_eq!(refused.counts.strangers, 1);
    assert_ne!(refused.device, Some(DeviceId([0xAB; 16])));
    sleep(2 * HOUR).await;
    assert!(at_work.radio.connects() <= 2 + 2 * 4, "{}", at_work.radio.connects());
    assert_eq!(scene.stored_log().blocks, stored);

    // The watch was replaced, and somebody says so.
    scene.outbox.unbind_peer(&address()).await.unwrap();
    at_work.signals.sync_now.notify_one();
    let status = at_work.until(BACK_WITHIN, is_connected).await;
    assert_eq!(status.device, Some(DeviceId([0xAB; 16])));
    at_work.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_watch_that_was_there_before_is_taken_back() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(MINUTE, is_connected).await;
    let other = WatchOnAir::new(watch_with(64, |options| options.device_id = DeviceId([0xAB; 16])));
    scene.air.place(address(), other);
    at_work.until_state(MINUTE, "refused").await;
    scene.record_events(20);
    scene.leave_alone();
    at_work.until(HOUR / 4 + SECOND, is_connected).await;
    assert_eq!(scene.stored_log().blocks, scene.offered());
}
