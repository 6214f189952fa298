//! A radio that is off, gone or wedged: no attempt is made in vain, and nothing of it is the watch's fault.

use std::time::Duration;

use nowbridge::radio::{RadioError, RadioTrouble, RecoveryStep};
use nowbridge::sync::{Mode, Recovery, Shared, Slots, WaitReason, WatchState};
use tokio::time::sleep;

use crate::support::sync::{Scene, address, worn_for};
use crate::support::watcher::{
    AtWork, BACK_WITHIN, HOUR, MINUTE, Radio, SECOND, config, is_connected, is_syncing,
};

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_while_the_adapter_is_off() {
    for in_range in [true, false] {
        let scene = Scene::new(worn_for(6)).await;
        let mut at_work = AtWork::begin(&scene, Mode::Stay);
        at_work.until(MINUTE, is_connected).await;
        scene.air.set_in_range(&address(), in_range);
        sleep(MINUTE).await;
        scene.air.set_adapter(false);
        let off = at_work.until_state(SECOND, "radio_not_ready").await;
        let reason = WaitReason::RadioNotReady { trouble: RadioTrouble::AdapterOff };
        assert_eq!(off.state, WatchState::Waiting { reason, until: None });
        let connects = at_work.radio.connects();
        sleep(HOUR).await;
        assert_eq!(at_work.radio.connects(), connects);
        assert_eq!(at_work.status.borrow().counts.failures, 0);

        scene.air.set_in_range(&address(), true);
        scene.air.set_adapter(true);
        at_work.until(SECOND, is_syncing).await;
        at_work.until(BACK_WITHIN, is_connected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_radio_that_flickers_is_followed_at_once() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(MINUTE, is_connected).await;
    // It fails until it waits for minutes, and then the adapter is switched off and on before anybody looks.
    at_work.radio.fail(|peer| RadioError::Aborted(peer.clone()));
    scene.watch.hang_up();
    sleep(HOUR).await;
    at_work.radio.mend();
    scene.air.set_adapter(false);
    scene.air.set_adapter(true);
    at_work.until(SECOND, is_syncing).await;
    at_work.until(BACK_WITHIN, is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_only_shows_by_trying_is_tried_often_enough() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.radio.fail(|_| {
        let detail = "nobody serves the virtual air".to_owned();
        RadioError::NotReady(RadioTrouble::NoService { detail })
    });
    sleep(10 * HOUR).await;
    assert_eq!(at_work.state().name(), "radio_not_ready");
    assert_eq!(at_work.status.borrow().counts.failures, 0);
    assert!(at_work.radio.waits().iter().all(|wait| *wait >= 2 * SECOND));
    at_work.radio.mend();
    at_work.until(BACK_WITHIN, is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn a_wedged_radio_is_helped_step_by_step() {
    for power_cycle in [true, false] {
        let scene = Scene::new(worn_for(6)).await;
        let (radio, recovery) = (Radio::new(&scene.air), Recovery::new(power_cycle));
        let shared = Shared { slots: Slots::new(4), recovery: recovery.clone() };
        let mut at_work = AtWork::begin_with(&scene, &radio, config(Mode::Stay), shared);
        radio.fail(|_| RadioError::Timeout("a connect"));
        at_work.until_state(2 * HOUR, "radio_stuck").await;
        assert!(recovery.counts().borrow().stuck);
        sleep(24 * HOUR).await;

        let steps = radio.diary().steps.clone();
        let first: Vec<RecoveryStep> = steps.iter().map(|(_, step)| *step).take(3).collect();
        let all = RecoveryStep::ALL;
        assert_eq!(first[..2], all[..2]);
        assert_eq!(first[2], if power_cycle { all[2] } else { all[0] });
        for step in all {
            let taken: Vec<_> = steps.iter().filter(|(_, taken)| *taken == step).map(|(at, _)| *at).collect();
            assert!(taken.len() <= 25, "{step:?}: {}", taken.len());
            assert!(taken.windows(2).all(|pair| pair[1] - pair[0] >= HOUR), "{step:?}");
        }
        assert!(radio.connects() < 26 * 20, "{}", radio.connects());

        radio.mend();
        at_work.until(Duration::from_mins(16), is_connected).await;
        assert!(!recovery.counts().borrow().stuck);
        assert_eq!(recovery.counts().borrow().power_cycle > 0, power_cycle);
    }
}

#[tokio::test(start_paused = true)]
async fn an_errand_of_ours_is_nobodys_fault() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.radio.fail(|_| RadioError::OwnErrand("a scan"));
    // As long as the longest pairing.
    sleep(10 * MINUTE).await;
    assert_eq!(at_work.state().name(), "radio_taken");
    assert_eq!(at_work.status.borrow().counts.failures, 0);
    assert_eq!(at_work.radio.diary().steps, []);
    assert!(at_work.radio.waits().iter().all(|wait| (2 * SECOND..=8 * SECOND).contains(wait)));
    at_work.radio.mend();
    at_work.until(BACK_WITHIN, is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_away_is_no_reason_to_touch_the_radio() {
    let scene = Scene::new(worn_for(6)).await;
    scene.air.set_in_range(&address(), false);
    let at_work = AtWork::begin(&scene, Mode::Stay);
    sleep(24 * HOUR).await;
    assert!(at_work.radio.connects() > 1_000);
    assert_eq!(at_work.radio.diary().steps, []);
}
