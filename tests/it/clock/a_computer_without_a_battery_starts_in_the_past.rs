//! A Raspberry Pi without a battery-backed clock: 1970, or where it was shut down a week ago, until the network tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nowbridge::clock::{Synchrony, Trust};
use nowbridge::measurement::Kind;
use nowbridge::outbox::AnchorSource;
use nowbridge::sync::{ClockStatus, Mode, Timekeeper};
use nowbridge::wire::bridge::LogStore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::night::{DAY_US, HOUR, MINUTE, Night};
use crate::support::watch::START;
use crate::support::watcher::{AtWork, is_connected};

#[tokio::test(start_paused = true)]
async fn in_1970_everything_is_collected_and_nothing_dated_until_the_clock_is_right() {
    let mut night = Night::begin(-START.0 + 100_000_000, Synchrony::Unsynchronised).await;
    night.wear(HOUR).await;
    let report = night.scene.complete_session().await;
    assert_eq!((report.clock, report.newest), (Trust::BeforeItsTime, None));
    assert!(night.anchors().await.is_empty());
    assert_eq!(night.scene.watch.with(|watch| watch.time().utc_us), 0, "the watch was told a wrong time");
    night.send().await;
    assert!(night.cloud.held().is_empty());

    night.wear(HOUR).await;
    night.host.set(night.truth());
    night.host.say(Synchrony::Synchronised);
    night.wear(MINUTE).await;
    let report = night.scene.complete_session().await;
    assert_eq!(report.clock, Trust::Synchronised);
    night.send().await;
    night.check();
}

#[tokio::test(start_paused = true)]
async fn a_week_in_the_past_is_as_good_as_1970_if_the_system_says_so() {
    let mut night = Night::begin(-7 * DAY_US, Synchrony::Unsynchronised).await;
    night.wear(HOUR).await;
    night.session_and_send().await;
    assert!(night.anchors().await.is_empty() && night.cloud.held().is_empty());
    night.host.step(7 * DAY_US);
    night.host.say(Synchrony::Synchronised);
    night.wear(HOUR).await;
    night.session_and_send().await;
    night.check();
    assert!(night.sources().await.iter().all(|source| *source == AnchorSource::Host));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_vouches_what_was_not_sent_is_put_right() {
    let mut night = Night::begin(-7 * DAY_US, Synchrony::Unknown).await;
    // Two boots, neither of which the network could hear of.
    for _ in 0..2 {
        night.wear(HOUR).await;
        night.scene.complete_session().await;
        night.reboot();
    }
    assert!(night.sources().await.iter().all(|source| *source == AnchorSource::Unvouched));
    night.host.step(7 * DAY_US);
    let step = night.scene.outbox.notice_clock().await.unwrap().expect("it was set");
    assert_eq!((step.by_us, step.corrected, step.left), (7 * DAY_US, 2, 0));
    assert_eq!(night.sources().await, [AnchorSource::Corrected; 2]);
    assert_eq!(night.scene.outbox.notice_clock().await.unwrap(), None, "once is enough");
    night.wear(HOUR).await;
    night.session_and_send().await;
    night.check();
    night.check_export().await;
}

#[tokio::test(start_paused = true)]
async fn where_nobody_vouches_what_was_sent_stays_and_is_told() {
    let mut night = Night::begin(-7 * DAY_US, Synchrony::Unknown).await;
    night.wear(HOUR).await;
    night.session_and_send().await;
    let sent = night.cloud.held();
    let (count, truth) = (sent.len(), night.expected.clone());
    assert!(count > 3_500, "{count}");
    // What was measured while the clocks were compared is dated by that.
    night.rest(MINUTE).await;
    night.host.step(7 * DAY_US);
    let step = night.scene.outbox.notice_clock().await.unwrap().expect("it was set");
    assert_eq!((step.corrected, step.left), (0, 1));
    assert_eq!(night.scene.outbox.last_clock_step(), Some(step));

    // Two sessions: the first only says that one of the two times is wrong.
    for _ in 0..2 {
        night.wear(HOUR).await;
        night.session_and_send().await;
    }
    let held = night.cloud.held();
    assert!(
        sent.iter().all(|(row, value)| held.get(row) == Some(value)),
        "what was sent was sent again otherwise"
    );
    let later = |row: &(Kind, i64)| row.1 > START.0 / 1_000_000;
    let (held, expected) = (
        held.into_iter().filter(|(row, _)| later(row)).collect(),
        night.expected.clone().into_iter().filter(|(row, _)| !truth.contains_key(row)).collect(),
    );
    super::night::differs(&held, &expected);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_due_as_soon_as_the_clock_is_right() {
    let mut night = Night::begin(-7 * DAY_US, Synchrony::Unsynchronised).await;
    let mut at_work = AtWork::begin(&night.scene, Mode::Stay);
    let (status, mut seen) = watch::channel(ClockStatus::default());
    let (woken, count) = (Arc::clone(&at_work.signals.sync_now), Arc::new(AtomicU32::new(0)));
    let wakes = Arc::clone(&count);
    let wake = move || {
        wakes.fetch_add(1, Ordering::Relaxed);
        woken.notify_one();
    };
    let (cancel, outbox) = (CancellationToken::new(), night.scene.outbox.clone());
    let timekeeper = Timekeeper::new(night.scene.clock, outbox, status, wake);
    let keeping = tokio::spawn(timekeeper.run(cancel.clone()));
    at_work.until(MINUTE, is_connected).await;
    assert_eq!(seen.wait_for(|status| !status.trust.is_believed()).await.unwrap().step, None);
    night.wear(20 * MINUTE).await;
    assert!(night.anchors().await.is_empty() && count.load(Ordering::Relaxed) == 0);

    night.host.step(7 * DAY_US);
    night.host.say(Synchrony::Synchronised);
    let told = seen.wait_for(|status| status.trust == Trust::Synchronised).await.unwrap().step;
    assert_eq!(told.map(|step| step.by_us), Some(7 * DAY_US));
    // The next session by the calendar is most of an hour away.
    at_work
        .until(MINUTE, |status| status.last_session.as_ref().is_some_and(|last| last.clock.is_believed()))
        .await;
    assert_eq!(night.anchors().await.first().map(|anchor| anchor.source), Some(AnchorSource::Host));
    cancel.cancel();
    keeping.await.unwrap();
    at_work.stop().await;
}
