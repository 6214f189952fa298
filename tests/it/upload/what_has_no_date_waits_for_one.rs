//! A watch counts from its boot; until its clock was compared with UTC nobody knows when that was.

use std::collections::BTreeMap;

use nowbridge::measurement::{Kind, UtcMicros};
use nowbridge::upload::UploaderConfig;
use nowbridge::wire::bridge::{Boot, Sample, Stream};

use crate::support::memory_cloud::MemoryCloud;
use crate::support::upload::{
    BOOTED, Depot, Held, LONG_US, Loop, Recorder, after_long, config, sample, sink, values,
};

fn ten_minutes(bpm: i32) -> Vec<Sample> {
    (0..600).map(|second| sample(second * 1_000, bpm)).collect()
}

/// `hours` after [`BOOTED`].
fn later(hours: i64) -> UtcMicros {
    UtcMicros(BOOTED.0 + hours * 3_600_000_000)
}

#[tokio::test(start_paused = true)]
async fn the_present_boot_is_held_and_goes_up_once_it_is_anchored() {
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(60));
    recorder.reboot();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(70));
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    let status = uploading.until(|status| status.held_undated > 0).await;
    let mut expected = Held::new();
    values(&mut expected, Kind::HeartRate, BOOTED, &ten_minutes(60));
    assert_eq!((cloud.held(), status.held_undated), (expected.clone(), 600));

    depot.anchor(2, LONG_US, after_long(later(3))).await;
    uploading.wake();
    let status = uploading.until(|status| status.held_undated == 0).await;
    values(&mut expected, Kind::HeartRate, later(3), &ten_minutes(70));
    assert_eq!((cloud.held(), status.dead, depot.waiting().await), (expected, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_is_over_is_held_and_holds_nobody_back() {
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(60));
    recorder.reboot();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(70));
    recorder.reboot();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(80));
    // The battery died in the second boot before anybody came.
    let depot = Depot::holding(&mut recorder).await;
    depot.anchor(3, LONG_US, after_long(later(5))).await;
    let cloud = MemoryCloud::new();
    // As small as it may be, it is one run.
    let config = UploaderConfig { max_samples: 250, ..config() };
    let mut uploading = Loop::start_with(config, cloud.clone(), &depot.outbox);
    let status = uploading.idle().await;

    let mut expected = Held::new();
    values(&mut expected, Kind::HeartRate, BOOTED, &ten_minutes(60));
    values(&mut expected, Kind::HeartRate, later(5), &ten_minutes(80));
    assert_eq!((cloud.held(), status.held_undated, depot.waiting().await), (expected.clone(), 0, 0));
    assert_eq!(depot.dead().await, vec![]);
    assert_eq!(status.quarantined, 600);
    let held = depot.outbox.quarantine().await.unwrap();
    let told: Vec<_> = held.iter().map(|run| (run.boot, run.samples, run.cause.as_str())).collect();
    assert_eq!(told, [(Boot(2), 600, "no date")]);
    assert!(held[0].detail.contains("boot 2 was never compared with UTC"), "{held:?}");
    assert_eq!(depot.counts().await, (1_200, 0, 600));

    // The watch had written down a moment of that boot after all.
    depot.anchor(2, LONG_US, after_long(later(2))).await;
    uploading.idle_again().await;
    values(&mut expected, Kind::HeartRate, later(2), &ten_minutes(70));
    assert_eq!((cloud.held(), depot.counts().await), (expected, (1_800, 0, 0)));
    assert_eq!(depot.outbox.quarantine().await.unwrap(), vec![]);
    assert_eq!(depot.outbox.errands(&sink()).await.unwrap(), vec![]);
}

#[tokio::test(start_paused = true)]
async fn a_time_that_cannot_be_is_not_sent() {
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(60));
    recorder.reboot();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(70));
    recorder.record_all(Stream::BEATS, &[sample(0, 0), sample(700, 700)]);
    recorder.reboot();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(80));
    let depot = Depot::holding(&mut recorder).await;
    // The host thought that it was 1970.
    depot.anchor(2, 600_000_000, UtcMicros(700_000_000)).await;
    depot.anchor(3, LONG_US, after_long(later(5))).await;
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;

    let mut expected = Held::new();
    values(&mut expected, Kind::HeartRate, BOOTED, &ten_minutes(60));
    values(&mut expected, Kind::HeartRate, later(5), &ten_minutes(80));
    assert_eq!((cloud.held(), depot.counts().await), (expected, (1_200, 0, 602)));
    let held = depot.outbox.quarantine().await.unwrap();
    assert_eq!(held.iter().map(|run| (run.kind, run.samples)).collect::<BTreeMap<_, _>>().len(), 2);
    assert!(
        held.iter().all(|run| run.cause == "implausible date" && run.detail.contains("1970-01-01")),
        "{held:?}"
    );

    // An anchor that helps nobody is looked at once.
    depot.anchor(3, LONG_US + 1, UtcMicros(after_long(later(5)).0 + 1)).await;
    uploading.idle_again().await;
    assert_eq!((depot.counts().await, depot.outbox.quarantine().await.unwrap()), ((1_200, 0, 602), held));
}
