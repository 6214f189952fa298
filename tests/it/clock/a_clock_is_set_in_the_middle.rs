//! A clock is set while measurements come: by network, by hand, or only on paper.

use std::time::Duration;

use jiff::tz::{TimeZone, offset};
use nowbridge::clock::{SimulatedHost, Synchrony};
use nowbridge::measurement::{Kind, Timeline, UtcMicros};
use nowbridge::outbox::{AnchorSource, Outbox};
use nowbridge::wire::bridge::Stream;
use tokio::time::Instant;

use super::night::{DAY_US, HOUR, HOUR_US, MINUTE, Night};
use crate::support::memory_cloud::MemoryCloud;
use crate::support::strap::{Listener, Strap};
use crate::support::upload::Loop;
use crate::support::watch::START;

/// A listener whose clock is off by so much.
async fn listener(off_us: i64, synchrony: Synchrony) -> (Listener, &'static SimulatedHost) {
    let listener = Listener::near(Strap::new()).await;
    listener.strap.beats_evenly(Instant::now(), 1_000);
    let (clock, host) = SimulatedHost::at(UtcMicros(START.0 + off_us), synchrony);
    let Listener { air, strap, outbox, dir, .. } = listener;
    outbox.close().await.unwrap();
    let outbox = Outbox::open(dir.path(), clock).await.unwrap();
    (Listener { air, strap, clock, outbox, dir }, host)
}

#[tokio::test(start_paused = true)]
async fn a_step_during_a_live_session_leaves_no_reading_at_a_wrong_time() {
    for off_us in [DAY_US, -HOUR_US] {
        let began = Instant::now();
        let (listener, host) = listener(off_us, Synchrony::Unknown).await;
        let session = async { listener.listen_for(95).await };
        let step = async {
            tokio::time::sleep(Duration::from_secs(47)).await;
            host.step(-off_us);
            host.say(Synchrony::Synchronised);
        };
        tokio::join!(session, step);
        let anchors = listener.anchors().await;
        let timeline = Timeline::new(anchors.iter().map(|(_, anchor)| anchor.point()).collect());
        let stored = listener.stored(Stream::HEART_RATE).await;
        assert!(stored.len() > 85, "{}", stored.len());
        let took = i64::try_from(began.elapsed().as_micros()).unwrap();
        let dates: Vec<_> =
            stored.iter().map(|(boot, at)| timeline.date(*boot, at.at_ms * 1_000, START).unwrap()).collect();
        assert!(dates.iter().all(|date| (-1_000_000..=took).contains(&date.since(START))), "{dates:?}");
        assert!(
            dates.is_sorted() && anchors.iter().any(|(_, anchor)| anchor.source == AnchorSource::Corrected)
        );

        let cloud = MemoryCloud::new();
        let mut uploading = Loop::start(cloud.clone(), &listener.outbox);
        uploading.idle().await;
        let mut seconds: Vec<i64> = dates.iter().map(|date| date.seconds().0).collect();
        seconds.dedup();
        let held: Vec<i64> =
            cloud.held().keys().filter(|(kind, _)| *kind == Kind::HeartRate).map(|(_, at)| *at).collect();
        assert_eq!(held, seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_sets_a_synchronised_clock_moves_nothing_that_was_dated() {
    let mut night = Night::begin(0, Synchrony::Synchronised).await;
    night.wear(HOUR).await;
    night.session_and_send().await;
    night.check();
    // Somebody sets it an hour ahead, and the system notices: it is no longer believed until it is right again.
    night.host.step(HOUR_US);
    night.host.say(Synchrony::Unsynchronised);
    night.wear(HOUR).await;
    night.session_and_send().await;
    night.host.step(-HOUR_US);
    night.host.say(Synchrony::Synchronised);
    night.wear(HOUR).await;
    night.session_and_send().await;
    night.check();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_contradicts_a_better_one_dates_nothing() {
    let mut night = Night::begin(0, Synchrony::Synchronised).await;
    night.wear(HOUR).await;
    night.session_and_send().await;
    // The computer starts anew without a network, an hour behind, and nothing there to vouch for its clock.
    night.host.step(-HOUR_US);
    night.host.say(Synchrony::Unknown);
    night.wear(HOUR).await;
    let before = night.anchors().await;
    night.session_and_send().await;
    assert_eq!(night.anchors().await, before);
    night.host.step(HOUR_US);
    night.wear(MINUTE).await;
    night.session_and_send().await;
    night.check();
}

/// The clocks go back in Amsterdam at 01:00 UTC on 26 October 2025, and forward on 30 March 2025.
#[tokio::test(start_paused = true)]
async fn summer_time_and_another_zone_move_nothing() {
    let zones = [TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(), TimeZone::fixed(offset(13))];
    for night_of_us in [1_761_433_200_000_000, 1_743_289_200_000_000] {
        let mut night = Night::begin(night_of_us - START.0, Synchrony::Synchronised).await;
        let off_us = night_of_us - START.0;
        let local = |night: &Night, zone: &TimeZone| {
            let now = jiff::Timestamp::from_microsecond(night.scene.clock.now().0).unwrap();
            zone.to_offset(now).seconds()
        };
        let mut offsets = vec![local(&night, &zones[0])];
        for hour in 0..6 {
            night.wear(HOUR).await;
            night.session_and_send().await;
            offsets.push(local(&night, &zones[usize::from(hour > 3)]));
        }
        offsets.dedup();
        assert!(offsets.len() >= 3, "neither the season nor the zone has changed: {offsets:?}");
        let held = night.cloud.held();
        let moved = |(kind, second): &(Kind, i64)| (*kind, second + off_us / 1_000_000);
        let expected = night.expected.iter().map(|(row, value)| (moved(row), value.clone())).collect();
        super::night::differs(&held, &expected);
        let rows: usize = night.cloud.parcels().iter().map(|parcel| parcel.rows.len()).sum();
        assert_eq!(rows, held.len(), "a row was sent twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_nobody_saw_is_settled_by_the_third_comparison() {
    let mut night = Night::begin(-3 * HOUR_US, Synchrony::Unknown).await;
    night.wear(HOUR).await;
    night.session_and_send().await;
    let (sent, early) = (night.cloud.held(), night.expected.clone());
    assert!(sent.len() > 3_500);
    // What was measured while the clocks were compared is dated by that.
    night.rest(MINUTE).await;
    // The process was down when the clock was set right: the anchors alone tell.
    night.host.step(3 * HOUR_US);
    night.restart_host().await;
    night.wear(HOUR).await;
    night.session_and_send().await;
    assert_eq!(night.scene.outbox.last_clock_step(), None);
    assert_eq!(night.cloud.held(), sent, "one of the two comparisons is wrong, and nobody knows which");
    night.wear(HOUR).await;
    night.session_and_send().await;
    let mut held = night.cloud.held();
    held.retain(|row, value| sent.get(row) != Some(value));
    night.expected.retain(|row, _| !early.contains_key(row));
    super::night::differs(&held, &night.expected);
}
