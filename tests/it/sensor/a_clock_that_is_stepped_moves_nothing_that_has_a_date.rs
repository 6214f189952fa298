//! The wall clock only says when the monotonic one stood where; what was once dated by it stays.

use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::measurement::{AnchorPoint, Kind, Timeline, UtcMicros};
use nowbridge::outbox::{Anchor, AnchorKey};
use nowbridge::wire::bridge::Stream;
use tokio::time::Instant;

use crate::support::memory_cloud::MemoryCloud;
use crate::support::strap::{Listener, Strap};
use crate::support::upload::Loop;
use crate::support::watch::START;

const HOUR_US: i64 = 3_600_000_000;

fn timeline(anchors: &[(AnchorKey, Anchor)]) -> Timeline {
    let point = |(_, anchor): &(AnchorKey, Anchor)| AnchorPoint {
        boot: anchor.boot.0,
        ticks_us: anchor.ticks_us,
        utc: anchor.utc,
    };
    Timeline::new(anchors.iter().map(point).collect())
}

#[tokio::test(start_paused = true)]
async fn an_hour_forward_or_back() {
    for step_us in [HOUR_US, -HOUR_US] {
        let mut listener = Listener::near(Strap::new()).await;
        listener.strap.beats_evenly(Instant::now(), 1_000);
        listener.listen_for(95).await;
        let before = timeline(&listener.anchors().await);
        let dated = listener.stored(Stream::HEART_RATE).await;
        assert!(dated.len() > 90, "{}", dated.len());

        listener.clock = Clock::simulated(UtcMicros(listener.clock.now().0 + step_us));
        listener.listen_for(95).await;
        let after = timeline(&listener.anchors().await);
        for (boot, sample) in &dated {
            let tick_us = sample.at_ms * 1_000;
            let date = before.utc(*boot, tick_us);
            assert!(date.is_some(), "{tick_us} has no date");
            assert_eq!(date, after.utc(*boot, tick_us), "{tick_us} was moved");
        }
        let since = listener.stored(Stream::HEART_RATE).await.split_off(dated.len());
        assert!(since.len() > 90 && since.iter().all(|(boot, _)| *boot == dated[0].0));
        let (boot, last) = since.last().copied().unwrap();
        let off = after.utc(boot, last.at_ms * 1_000).unwrap().since(listener.clock.now());
        assert!((-2_000_000..=0).contains(&off), "{off} µs off");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_measured_before_the_host_was_told_the_time_gets_its_date_later() {
    let mut listener = Listener::near(Strap::new()).await;
    listener.strap.beats_evenly(Instant::now(), 1_000);
    let right = listener.clock;
    listener.clock = Clock::simulated(UtcMicros(7_000_000));
    let (report, told) = listener.listen_for(60).await;
    assert_eq!((report.newest, told.newest, told.stored), (None, None, told.samples));
    assert_eq!(listener.anchors().await, []);
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start(cloud.clone(), &listener.outbox);
    uploading.until(|status| status.held_undated > 0).await;
    assert!(cloud.held().is_empty());

    // The link breaks, the network comes, the strap is back: the process is the same, and so is its clock.
    listener.clock = right;
    listener.listen_for(60).await;
    uploading.wake();
    uploading.until(|status| status.held_undated == 0).await;
    let first = cloud.held().keys().filter(|(kind, _)| *kind == Kind::HeartRate).map(|(_, at)| *at).min();
    let since_start = Duration::from_secs((first.unwrap() - START.0 / 1_000_000).cast_unsigned());
    assert!(since_start <= Duration::from_secs(3), "{since_start:?}");
    assert_eq!(uploading.status().dead, 0);
}
