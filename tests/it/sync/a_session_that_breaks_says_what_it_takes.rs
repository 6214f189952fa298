//! What breaks in the middle of a session is judged as what breaks before one: a radio that hangs is helped, whoever has to be paired
//! is told.

use bytes::Bytes;
use nowbridge::radio::{RadioError, RecoveryStep};
use nowbridge::sync::{FailureKind, Mode, Outcome, Recovery, Shared, Slots, WatchStatus};
use nowbridge::wire::bridge::{CONTROL, ErrorCode, Response};
use tokio::time::sleep;
use uuid::Uuid;

use crate::support::sync::{Scene, worn_for};
use crate::support::tamper::Tamper;
use crate::support::watcher::{AtWork, HOUR, MINUTE, Radio, config, is_connected};

fn kind_of_the_last(status: &WatchStatus) -> FailureKind {
    match &status.last_session.as_ref().unwrap().outcome {
        Outcome::Failed { kind, transient, .. } => {
            assert_eq!(*transient, kind.is_transient());
            *kind
        }
        Outcome::Complete => panic!("{status:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_radio_that_hangs_while_it_is_connected_is_helped_step_by_step() {
    let scene = Scene::new(worn_for(6)).await;
    let (radio, recovery) = (Radio::new(&scene.air), Recovery::new(true));
    let shared = Shared { slots: Slots::new(4), recovery: recovery.clone() };
    let mut at_work = AtWork::begin_with(&scene, &radio, config(Mode::Stay), shared);
    // Each time it connects, subscribes and reads who the watch is; that alone leads nobody back to the foot of the ladder.
    radio.fail_writes(|_| RadioError::Timeout("a write"));
    let stuck = at_work.until_state(2 * HOUR, "radio_stuck").await;
    assert_eq!(kind_of_the_last(&stuck), FailureKind::RadioHung);
    let steps: Vec<RecoveryStep> = radio.diary().steps.iter().map(|(_, step)| *step).collect();
    assert_eq!(steps, RecoveryStep::ALL);
    assert!(recovery.counts().borrow().stuck);

    radio.mend();
    at_work.until(16 * MINUTE, is_connected).await;
    assert!(!recovery.counts().borrow().stuck);
}

#[tokio::test(start_paused = true)]
async fn a_radio_that_hangs_now_and_then_is_left_alone() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Release);
    for _ in 0..12 {
        at_work.radio.fail_writes(|_| RadioError::Timeout("a write"));
        at_work.signals.sync_now.notify_one();
        at_work.until_state(MINUTE, "failed").await;
        at_work.radio.mend();
        at_work.until_state(MINUTE, "scheduled").await;
    }
    assert_eq!(at_work.radio.diary().steps, []);
}

/// Answers every request like this.
struct Refuses(ErrorCode);

impl Tamper for Refuses {
    fn said(&mut self, characteristic: Uuid, value: Bytes) -> Option<Bytes> {
        if characteristic != CONTROL {
            return Some(value);
        }
        let id = Response::decode(&value).unwrap().id();
        Some(Response::Err { id, code: self.0 }.encode().into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_wants_to_be_paired_for_what_a_session_does() {
    let att_errors: [fn(&_) -> RadioError; 2] =
        [|_| RadioError::Refused { code: 0x05 }, |_| RadioError::Refused { code: 0x0F }];
    for error in att_errors.map(Some).into_iter().chain([None]) {
        for (bonded, name) in [(false, "pairing_needed"), (true, "stale_bond")] {
            let scene = Scene::new(worn_for(6)).await;
            let mut at_work = AtWork::begin(&scene, Mode::Stay);
            at_work.radio.diary().bonded = bonded;
            match error {
                Some(error) => at_work.radio.fail_writes(error),
                None => scene.tamper(Refuses(ErrorCode::NotPaired)),
            }
            let shown = at_work.until_state(MINUTE, name).await;
            assert_eq!(kind_of_the_last(&shown), FailureKind::PairingNeeded);
            // Nobody but a person can mend it.
            let connects = at_work.radio.connects();
            sleep(10 * MINUTE).await;
            assert_eq!(at_work.radio.connects(), connects);

            at_work.radio.mend();
            scene.leave_alone();
            at_work.signals.sync_now.notify_one();
            at_work.until(MINUTE, is_connected).await;
            at_work.stop().await;
        }
    }
}
