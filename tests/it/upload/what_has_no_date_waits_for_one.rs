//! A watch counts from its boot; until its clock was compared with UTC nobody knows when that was.

use nowbridge::measurement::{Kind, UtcMicros};
use nowbridge::wire::bridge::{Sample, Stream};

use crate::support::memory_cloud::MemoryCloud;
use crate::support::upload::{BOOTED, Depot, Held, LONG_US, Loop, Recorder, after_long, sample, values};

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
async fn a_boot_that_is_over_never_gets_a_date_and_blocks_nobody() {
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(60));
    recorder.reboot();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(70));
    recorder.reboot();
    recorder.record_all(Stream::HEART_RATE, &ten_minutes(80));
    let lost: Vec<u32> = {
        let mut probe = Recorder::new();
        probe.record_all(Stream::HEART_RATE, &ten_minutes(60));
        let first = probe.take().len() as u32;
        (first + 1..=2 * first).collect()
    };
    // The battery died in the second boot before anybody came.
    let depot = Depot::holding(&mut recorder).await;
    depot.anchor(3, LONG_US, after_long(later(5))).await;
    let cloud = MemoryCloud::new();
    let status = Loop::start(cloud.clone(), &depot.outbox).idle().await;

    let mut expected = Held::new();
    values(&mut expected, Kind::HeartRate, BOOTED, &ten_minutes(60));
    values(&mut expected, Kind::HeartRate, later(5), &ten_minutes(80));
    assert_eq!((cloud.held(), status.held_undated, depot.waiting().await), (expected, 0, 0));
    let dead = depot.dead().await;
    assert_eq!(dead.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), lost);
    assert!(dead.iter().all(|(_, reason, _)| reason.contains("boot 2")), "{dead:?}");
    assert!(dead.iter().all(|(_, reason, _)| reason.contains("never compared with UTC")), "{dead:?}");
}
