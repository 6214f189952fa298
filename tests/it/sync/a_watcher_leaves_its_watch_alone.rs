//! Hold, release and quiet hours.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use nowbridge::clock::Clock;
use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::Hold;
use nowbridge::radio::Central;
use nowbridge::radio::air::{AirCentral, LinkModel};
use nowbridge::sync::{Mode, QuietHours, WaitReason, WatchState, WatcherConfig};
use tokio::time::{Instant, sleep, timeout};

use crate::support::sync::{Scene, StoredLog, address, worn_for};
use crate::support::watcher::{
    AtWork, BACK_WITHIN, HOUR, MINUTE, Radio, SECOND, alone, config, is_connected, is_syncing,
};

/// Whether another host can have the watch within a second.
async fn another_host_gets_it(scene: &Scene) -> bool {
    let phone = AirCentral::new(scene.air.clone());
    let gets = async {
        while phone.connect(&address()).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SECOND, gets).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn somebody_else_has_it_within_a_second_and_gives_it_back() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(MINUTE, is_connected).await;
    at_work.signals.hold.send_replace(Hold::UntilReleased);
    assert!(another_host_gets_it(&scene).await);
    assert_eq!(at_work.state(), WatchState::Held { until: None });
    sleep(10 * HOUR).await;
    // Not even whoever wants a session gets one.
    at_work.signals.sync_now.notify_one();
    sleep(HOUR).await;
    assert_eq!(at_work.radio.connects(), 1);

    at_work.signals.hold.send_replace(Hold::Free);
    at_work.until(SECOND, is_syncing).await;
    at_work.until(BACK_WITHIN, is_connected).await;

    let until = UtcMicros(scene.clock.now().0 + 3_600_000_000);
    at_work.signals.hold.send_replace(Hold::Until(until));
    at_work.until_state(SECOND, "held").await;
    sleep(Duration::from_secs(3_595)).await;
    assert_eq!(at_work.state(), WatchState::Held { until: Some(until) });
    at_work.until(BACK_WITHIN, is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_to_end_loses_nothing() {
    for after_ms in [20, 600, 1_600] {
        let scene = Scene::over(LinkModel::slow_1m_30ms(), worn_for(24)).await;
        let mut at_work = AtWork::begin(&scene, Mode::Stay);
        at_work.until(MINUTE, |status| is_syncing(status) && status.device.is_some()).await;
        sleep(Duration::from_millis(after_ms)).await;
        assert!(is_syncing(&at_work.status.borrow()), "after {after_ms} ms");
        at_work.signals.hold.send_replace(Hold::UntilReleased);
        assert!(another_host_gets_it(&scene).await, "after {after_ms} ms");
        let partly: usize = scene.stored().iter().map(|log: &StoredLog| log.blocks.len()).sum();
        assert!(partly > 0 || after_ms < 1_500, "{partly} after {after_ms} ms");

        at_work.signals.hold.send_replace(Hold::Free);
        at_work.until(MINUTE, is_connected).await;
        assert_eq!(scene.stored_log().blocks, scene.offered());
    }
}

fn at(text: &str) -> UtcMicros {
    UtcMicros(text.parse::<Timestamp>().unwrap().as_microsecond())
}

/// A watcher with quiet hours from 23 to 7 in Central Europe.
async fn night(now: &str, hours: u64) -> (Scene, AtWork) {
    let mut scene = Scene::new(worn_for(hours)).await;
    scene.clock = Clock::simulated(at(now));
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let quiet = QuietHours::new(Time::constant(23, 0, 0, 0), Time::constant(7, 0, 0, 0), zone);
    let config = WatcherConfig { quiet: Some(quiet), every: HOUR / 4, ..config(Mode::Stay) };
    let at_work = AtWork::begin_with(&scene, &Radio::new(&scene.air), config, alone());
    (scene, at_work)
}

#[tokio::test(start_paused = true)]
async fn nights_are_quiet_also_when_the_clocks_change() {
    for (evening, morning, hours) in [
        ("2025-10-25T20:00:00Z", "2025-10-26T06:00:00Z", 9),
        ("2025-03-29T21:00:00Z", "2025-03-30T05:00:00Z", 7),
    ] {
        let (scene, mut at_work) = night(evening, 6).await;
        at_work.until(MINUTE, is_connected).await;
        let quiet = at_work.until_state(HOUR + SECOND, "quiet_hours").await;
        let began = Instant::now();
        let reason = WaitReason::QuietHours;
        assert_eq!(quiet.state, WatchState::Waiting { reason, until: Some(at(morning)) });
        assert!(another_host_gets_it(&scene).await);
        let connects = at_work.radio.connects();
        at_work.signals.sync_now.notify_one();
        sleep(Duration::from_mins(hours * 60 - 1)).await;
        assert_eq!(
            (at_work.radio.connects(), at_work.state().name()),
            (connects, "quiet_hours"),
            "{evening}"
        );
        at_work.until(MINUTE + BACK_WITHIN, is_connected).await;
        assert!(
            scene.clock.now() >= at(morning) && began.elapsed() < Duration::from_hours(hours) + BACK_WITHIN
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_into_the_quiet_hours_and_is_the_last() {
    let (scene, mut at_work) = night("2025-11-22T21:59:58.500Z", 24).await;
    at_work.until(3 * SECOND, |_| scene.clock.now() >= at("2025-11-22T22:00:00Z")).await;
    assert!(is_syncing(&at_work.status.borrow()), "{:?}", at_work.status.borrow());
    let quiet = at_work.until_state(MINUTE, "quiet_hours").await;
    assert!(quiet.complete_at.is_some());
    assert_eq!(scene.stored_log().blocks, scene.offered());
    assert!(another_host_gets_it(&scene).await);
}
