//! Waits: as long as the cloud asks for, never without bound, and not cut short by what arrives.

use nowbridge::upload::{HoldReason, UploadState};
use nowbridge::wire::bridge::Stream;
use tokio::time::{Duration, Instant};

use crate::support::memory_cloud::{MemoryCloud, Verdict, answer, answer_after};
use crate::support::upload::{Depot, Loop, Recorder, sample};

async fn something() -> (Recorder, Depot) {
    let mut recorder = Recorder::new();
    recorder.record(Stream::HEART_RATE, sample(0, 60));
    let depot = Depot::holding(&mut recorder).await;
    (recorder, depot)
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_whatever_arrives_meanwhile() {
    for (status, asked) in [(503, Duration::from_mins(10)), (429, Duration::from_hours(2))] {
        let (mut recorder, depot) = something().await;
        let cloud = MemoryCloud::judging(move |parcel| match parcel.earlier {
            0 => Verdict::Refuse(answer_after(status, "later", Some(asked))),
            _ => Verdict::Take,
        });
        let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
        let shown = uploading.holding().await;
        assert!(matches!(
            shown.state,
            UploadState::Holding { reason: HoldReason::Unavailable { failures: 1, .. }, .. }
        ));
        recorder.record(Stream::HEART_RATE, sample(60_000, 61));
        depot.append(recorder.take()).await;
        uploading.wake();
        uploading.idle().await;
        let parcels = cloud.parcels();
        let waited = parcels[1].at - parcels[0].at;
        assert!(
            waited >= asked && waited < asked + Duration::from_secs(5),
            "{waited:?} instead of {asked:?}"
        );
        assert_eq!(depot.waiting().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn waits_grow_to_a_quarter_of_an_hour_and_start_over_after_a_success() {
    let (mut recorder, depot) = something().await;
    let cloud = MemoryCloud::judging(|parcel| match parcel.earlier {
        30 => Verdict::Take,
        _ => Verdict::Refuse(answer(500, "Internal server error")),
    });
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;
    recorder.record(Stream::HEART_RATE, sample(60_000, 61));
    depot.append(recorder.take()).await;
    uploading.wake();
    uploading.holding().await;
    cloud.judge(|_| Verdict::Take);
    uploading.idle().await;

    let at: Vec<Instant> = cloud.parcels().iter().map(|parcel| parcel.at).collect();
    let waits: Vec<Duration> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (first, rest) = (&waits[..30], &waits[31..]);
    // A timer of tokio's is good to a millisecond.
    let bounds = Duration::from_secs(2)..=Duration::from_millis(900_001);
    assert!(first.iter().all(|wait| bounds.contains(wait)), "{first:?}");
    assert!(first[..4].iter().all(|wait| *wait <= Duration::from_secs(33)), "{first:?}");
    assert!(first.iter().any(|wait| *wait > Duration::from_mins(5)), "{first:?}");
    assert!(rest[0] <= Duration::from_secs(5), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn what_will_not_mend_itself_is_looked_at_seldom_and_never_given_up() {
    for status in [403, 404, 405, 410] {
        let (_, depot) = something().await;
        let cloud = MemoryCloud::judging(move |_| Verdict::Refuse(answer(status, "no")));
        let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
        let began = Instant::now();
        uploading.until(|_| began.elapsed() > Duration::from_hours(6)).await;
        let attempts = cloud.parcels().len();
        assert!((6 * 4..=6 * 12).contains(&attempts), "{attempts} attempts in six hours");
        assert_eq!((depot.waiting().await, depot.dead().await), (1, vec![]));
        cloud.judge(|_| Verdict::Take);
        uploading.idle().await;
        assert_eq!(depot.waiting().await, 0);
    }
}
