//! The watch starts anew while no host is near. What it knows of the time itself is all there is.

use nowbridge::clock::Synchrony;
use nowbridge::measurement::{Kind, Timeline, Undated, UtcMicros};
use nowbridge::outbox::AnchorSource;
use nowbridge::wire::bridge::TimeSource;

use super::night::{DAY_US, HOUR, MINUTE, Night};
use crate::support::upload::{Held, Loop};

/// 2000-01-01.
const YEAR_2000: UtcMicros = UtcMicros(946_684_800_000_000);

async fn timeline(night: &Night) -> Timeline {
    Timeline::new(night.anchors().await.iter().map(nowbridge::outbox::Anchor::point).collect())
}

/// What was measured meanwhile.
async fn worn(night: &mut Night) -> Held {
    let before = night.expected.clone();
    night.wear(HOUR).await;
    night.expected.iter().filter(|(row, _)| !before.contains_key(row)).map(|(r, v)| (*r, v.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn of_two_boots_the_one_that_a_phone_had_set_is_dated_and_the_other_refused() {
    let mut night = Night::begin(0, Synchrony::Synchronised).await;
    night.wear(HOUR).await;
    night.session_and_send().await;
    night.reboot();
    let lost = worn(&mut night).await;
    let unseen = night.scene.watch.with(|watch| watch.boot());
    night.reboot();
    night.wear(HOUR).await;
    night.set_watch(night.truth(), TimeSource::Network);
    let seen = night.scene.watch.with(|watch| watch.boot());
    night.wear(HOUR).await;
    night.reboot();
    night.wear(MINUTE).await;

    night.scene.complete_session().await;
    let sources: Vec<_> = night.anchors().await.iter().map(|anchor| (anchor.boot, anchor.source)).collect();
    assert!(sources.contains(&(seen, AnchorSource::Watch)), "{sources:?}");
    assert!(sources.iter().all(|(boot, _)| *boot != unseen));
    let received = night.truth();
    assert_eq!(timeline(&night).await.date(unseen.0, 60_000_000, received), Err(Undated::Never));

    // Exact or refused: what has a date is all that arrives.
    let mut uploading = Loop::start(night.cloud.clone(), &night.scene.outbox);
    uploading.idle().await;
    night.expected.retain(|row, _| !lost.contains_key(row));
    night.check();
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_thinks_it_is_2000_is_not_believed() {
    let mut night = Night::begin(0, Synchrony::Synchronised).await;
    night.wear(HOUR).await;
    night.session_and_send().await;
    // In a boot that we know, and in one that we do not.
    night.set_watch(YEAR_2000, TimeSource::Manual);
    night.wear(HOUR).await;
    night.session_and_send().await;
    night.check();
    night.reboot();
    night.set_watch(YEAR_2000, TimeSource::Unknown);
    let lost = worn(&mut night).await;
    night.reboot();
    night.wear(MINUTE).await;
    night.scene.complete_session().await;
    assert!(night.sources().await.iter().all(|source| *source == AnchorSource::Host));
    let mut uploading = Loop::start(night.cloud.clone(), &night.scene.outbox);
    uploading.idle().await;
    night.expected.retain(|row, _| !lost.contains_key(row));
    assert!(night.cloud.held().keys().all(|(kind, at)| *kind == Kind::HeartRate && *at > 1_700_000_000));
    night.check();
}

#[tokio::test(start_paused = true)]
async fn a_word_of_the_watch_that_would_put_a_boot_into_another_is_not_taken() {
    for off_us in [-DAY_US, DAY_US / 2] {
        let mut night = Night::begin(0, Synchrony::Synchronised).await;
        night.wear(HOUR).await;
        night.session_and_send().await;
        night.reboot();
        night.wear(HOUR).await;
        night.set_watch(UtcMicros(night.truth().0 + off_us), TimeSource::Host);
        night.reboot();
        night.wear(MINUTE).await;
        night.scene.complete_session().await;
        assert!(night.sources().await.iter().all(|source| *source == AnchorSource::Host), "{off_us}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_lost_its_outbox_dates_old_boots_by_what_it_had_told_the_watch() {
    let mut night = Night::begin(0, Synchrony::Synchronised).await;
    night.wear(MINUTE).await;
    night.scene.complete_session().await;
    night.wear(HOUR).await;
    night.reboot();
    night.wear(HOUR).await;
    let fresh = tempfile::TempDir::new().unwrap();
    night.scene.outbox = nowbridge::outbox::Outbox::open(fresh.path(), night.scene.clock).await.unwrap();
    night.scene.complete_session().await;
    let sources = night.sources().await;
    assert!(sources.contains(&AnchorSource::Watch) && sources.contains(&AnchorSource::Host), "{sources:?}");
    night.send().await;
    night.check();
}

#[tokio::test(start_paused = true)]
async fn a_host_in_doubt_takes_the_watchs_word_and_later_its_own() {
    let mut night = Night::begin(-7 * DAY_US, Synchrony::Unsynchronised).await;
    night.wear(HOUR).await;
    night.set_watch(night.truth(), TimeSource::Network);
    night.scene.complete_session().await;
    assert_eq!(night.sources().await, [AnchorSource::Watch]);
    night.host.step(7 * DAY_US);
    night.host.say(Synchrony::Synchronised);
    night.wear(HOUR).await;
    night.session_and_send().await;
    night.check();
}
