//! A fault of the cloud's, or of ours, is no reason to put a watch's measurements aside.

use nowbridge::measurement::Kind;
use nowbridge::outbox::Backlog;
use nowbridge::upload::{HoldReason, UploadState};
use nowbridge::wire::bridge::Stream;
use tokio::time::{Duration, Instant};

use crate::support::memory_cloud::{MemoryCloud, Verdict, answer};
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, sample, sink, values};

/// Four hours of heart rate and temperature, and what they come to.
fn four_hours() -> (Recorder, Held) {
    let heart: Vec<_> = (0..14_400).map(|second| sample(second * 1_000, 60)).collect();
    let skin: Vec<_> = (0..240).map(|minute| sample(minute * 60_000, 3_300)).collect();
    let (mut recorder, mut held) = (Recorder::sealing_at(60), Held::new());
    recorder.record_all(Stream::HEART_RATE, &heart);
    recorder.record_all(Stream::TEMPERATURE, &skin);
    values(&mut held, Kind::HeartRate, BOOTED, &heart);
    values(&mut held, Kind::Temperature, BOOTED, &skin);
    (recorder, held)
}

#[tokio::test(start_paused = true)]
async fn not_from_the_first_day_on_and_not_after_a_year_that_went_well() {
    for went_well in [false, true] {
        let (mut recorder, expected) = four_hours();
        let depot = Depot::holding(&mut Recorder::new()).await;
        let cloud = MemoryCloud::new();
        let mut blocks = recorder.take();
        let later = blocks.split_off(if went_well { blocks.len() / 2 } else { 0 });
        depot.append(blocks).await;
        let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
        uploading.idle().await;

        // Words that change from answer to answer are no proof that the rows are at fault.
        cloud.judge(|parcel| Verdict::Refuse(answer(400, &format!("request {} is bad", parcel.earlier))));
        let quiet = cloud.parcels().len();
        depot.append(later).await;
        uploading.wake();
        let status = uploading.holding().await;
        assert!(matches!(status.state, UploadState::Holding { reason: HoldReason::Refused { .. }, .. }));
        // A day of that, with a restart in the middle.
        let began = Instant::now();
        for half_days in [1, 2] {
            uploading.until(|_| began.elapsed() > Duration::from_hours(12) * half_days).await;
            uploading.stop().await;
            uploading = Loop::start(cloud.clone(), &depot.outbox);
        }
        assert_eq!(depot.dead().await, vec![]);
        let asked = cloud.parcels().len() - quiet;
        assert!(asked < 500, "{asked} attempts in a day");

        cloud.judge(|_| Verdict::Take);
        uploading.idle().await;
        assert_eq!((cloud.held(), depot.dead().await), (expected, vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_refused_altogether_does_not_keep_back_the_others() {
    let (mut recorder, mut expected) = four_hours();
    let depot = Depot::holding(&mut recorder).await;
    // As if the columns of one table were not what the cloud wants.
    let cloud = MemoryCloud::judging(|parcel| match parcel.kind {
        Kind::Temperature => Verdict::Refuse(answer(400, "unknown column")),
        _ => Verdict::Take,
    });
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.holding().await;
    let waiting = depot.outbox.backlog(&sink()).await.unwrap();
    let kinds: Vec<_> = waiting.iter().map(|Backlog { kind, samples, .. }| (*kind, *samples)).collect();
    assert_eq!(kinds, [(Kind::Temperature, 240)]);

    // What arrives meanwhile is sent at once, and does not make the refused kind a nuisance.
    let attempts = cloud.parcels().len();
    let came = Instant::now();
    let late: Vec<_> = (14_400..15_000).map(|second| sample(second * 1_000, 90)).collect();
    recorder.record_all(Stream::HEART_RATE, &late);
    depot.append(recorder.take()).await;
    let batches = uploading.status().batches;
    uploading.wake();
    uploading.until(|status| status.batches > batches).await;
    assert!(came.elapsed() < Duration::from_secs(1), "{:?}", came.elapsed());
    assert_eq!(cloud.parcels().len(), attempts + 1);

    expected.retain(|(kind, _), _| *kind != Kind::Temperature);
    values(&mut expected, Kind::HeartRate, BOOTED, &late);
    assert_eq!((cloud.held(), depot.dead().await), (expected, vec![]));
}
