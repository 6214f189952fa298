//! What cannot be had is not asked for more often than makes sense.

use nowbridge::radio::RadioError;
use nowbridge::sync::{Mode, WaitReason, WatchState, WatchStatus};
use rusqlite::{Connection, OpenFlags};
use tokio::time::{Instant, sleep};

use crate::support::sync::{Scene, address, worn_for};
use crate::support::watcher::{AtWork, BACK_WITHIN, HOUR, MINUTE, SECOND, is_away, is_connected};

/// Changes whenever somebody else commits to the database.
fn commits(file: &Connection) -> i64 {
    file.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_day_of_absence_costs_some_attempts_and_no_commit() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    let file =
        Connection::open_with_flags(scene.dir.path().join("outbox.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let file = file.unwrap();
    let before = commits(&file);
    at_work.until(MINUTE, is_connected).await;
    let after = commits(&file);
    assert_ne!(before, after, "a commit would be seen");
    scene.air.set_in_range(&address(), false);
    at_work.until(MINUTE, is_away).await;
    let connects = at_work.radio.connects();
    sleep(24 * HOUR).await;
    assert_eq!(commits(&file), after);
    let waits = at_work.radio.waits();
    let (soon, later) = waits[connects..].split_at(60);
    assert!(soon.iter().all(|wait| (2 * SECOND..=9 * SECOND).contains(wait)), "{soon:?}");
    assert!(later.iter().all(|wait| (2 * SECOND..=61 * SECOND).contains(wait)), "{later:?}");
    assert!(waits.len() < 24 * 130, "{}", waits.len());
    assert_eq!(at_work.status.borrow().counts.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_bond_in_doubt_is_named_after_three_attempts_and_tried_all_the_same() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.radio.diary().bonded = true;
    at_work.radio.fail(|peer| RadioError::Aborted(peer.clone()));
    let is_named = |status: &WatchStatus| match &status.state {
        WatchState::Waiting { reason: WaitReason::Failed { detail, .. }, .. } => {
            detail.contains("nowbridge repair")
        }
        _ => false,
    };
    at_work.until(MINUTE, is_named).await;
    assert_eq!(at_work.radio.connects(), 3);
    // It was at the edge of range, and comes closer.
    at_work.radio.mend();
    at_work.until(BACK_WITHIN, is_connected).await;

    at_work.radio.fail(|peer| RadioError::Aborted(peer.clone()));
    scene.watch.hang_up();
    at_work.until(MINUTE, is_named).await;
    sleep(24 * HOUR).await;
    assert!(at_work.radio.connects() < 24 * 20, "{}", at_work.radio.connects());
    assert_eq!(at_work.radio.diary().steps, []);
    // Repaired: whoever did it says so.
    at_work.radio.mend();
    at_work.signals.sync_now.notify_one();
    at_work.until(BACK_WITHIN, is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_bond_broken_attempts_are_just_failures() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.radio.fail(|peer| RadioError::Aborted(peer.clone()));
    sleep(24 * HOUR).await;
    let state = at_work.state();
    assert!(matches!(state, WatchState::Waiting { reason: WaitReason::Failed { .. }, .. }), "{state:?}");
    let waits = at_work.radio.waits();
    assert!(waits[..5].iter().all(|wait| *wait <= 4 * SECOND), "{waits:?}");
    assert!(waits.len() < 24 * 20, "{}", waits.len());
    at_work.radio.mend();
    at_work.until(HOUR / 4 + SECOND, is_connected).await;
    assert_eq!(at_work.status.borrow().counts.failures as usize, at_work.radio.connects() - 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_to_be_paired_waits_for_a_person() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Release);
    at_work.radio.fail(|peer| RadioError::PairingNeeded(peer.clone()));
    at_work.until_state(MINUTE, "pairing_needed").await;
    sleep(10 * HOUR).await;
    assert!(at_work.radio.connects() <= 41, "{}", at_work.radio.connects());
    at_work.radio.mend();
    at_work.signals.sync_now.notify_one();
    at_work.until_state(BACK_WITHIN, "scheduled").await;
}

#[tokio::test(start_paused = true)]
async fn a_link_without_a_watch_is_found_out() {
    let scene = Scene::new(worn_for(6)).await;
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until(MINUTE, is_connected).await;
    sleep(10 * MINUTE).await;
    assert_eq!(at_work.radio.connects(), 1, "whoever answers keeps the link");
    at_work.radio.set_mute(true);
    let start = Instant::now();
    let status = at_work.until(2 * MINUTE, |status| !is_connected(status)).await;
    assert!(start.elapsed() <= MINUTE + BACK_WITHIN);
    let WatchState::Waiting { reason: WaitReason::Failed { detail, .. }, .. } = status.state else {
        panic!("{status:?}");
    };
    assert!(detail.contains("looked open") && status.counts.ghosts == 1, "{detail}");
    at_work.radio.set_mute(false);
    at_work.until(BACK_WITHIN, is_connected).await;
}
