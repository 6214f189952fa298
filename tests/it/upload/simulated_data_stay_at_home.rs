//! A simulated watch beside a real one: only what was measured may leave this computer.

use nowbridge::measurement::Kind;
use nowbridge::outbox::LogKey;
use nowbridge::upload::UploaderConfig;
use nowbridge::wire::bridge::{DeviceId, LogId, Seq, Stream};

use crate::support::memory_cloud::MemoryCloud;
use crate::support::upload::{
    BOOTED, Depot, Held, LONG_US, Loop, Recorder, after_long, config, sample, values,
};

/// Adds ten minutes of heart rate to a log, and says what they come to.
async fn ten_minutes(depot: &Depot, log: LogKey, from: u64, bpm: i32) -> Held {
    let samples: Vec<_> = (from..from + 600).map(|second| sample(second * 1_000, bpm)).collect();
    let (mut recorder, mut held) = (Recorder::new(), Held::new());
    recorder.record_all(Stream::HEART_RATE, &samples);
    depot.append_to(log, recorder.take()).await;
    values(&mut held, Kind::HeartRate, BOOTED, &samples);
    held
}

#[tokio::test(start_paused = true)]
async fn they_are_held_and_told_and_the_real_ones_go() {
    let depot = Depot::holding(&mut Recorder::new()).await;
    let simulated = depot.outbox.watch_log(DeviceId([9; 16]), LogId(1), true, Seq(0)).await.unwrap();
    depot.anchor_in(simulated.key, 1, LONG_US, after_long(BOOTED)).await;
    let made_up = ten_minutes(&depot, simulated.key, 0, 99).await;
    let measured = ten_minutes(&depot, depot.log.key, 600, 60).await;

    let far_away = UploaderConfig { takes_synthetic: false, ..config() };
    let cloud = MemoryCloud::new();
    let status = Loop::start_with(far_away.clone(), cloud.clone(), &depot.outbox).idle().await;
    assert_eq!((cloud.held(), status.held_synthetic, status.held_undated), (measured.clone(), 600, 0));
    assert_eq!(depot.waiting().await, 600);
    // With nothing else to send, the cloud is not even asked.
    let cloud = MemoryCloud::new();
    Loop::start_with(far_away, cloud.clone(), &depot.outbox).idle().await;
    assert_eq!(cloud.state().settings_asked, 0);
    assert!(cloud.parcels().is_empty());

    let status = Loop::start_with(config(), cloud.clone(), &depot.outbox).idle().await;
    assert_eq!((cloud.held(), status.held_synthetic), (made_up, 0));
}
