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

#[tokio::test(start_paused = true)]
async fn what_may_mend_itself_is_tried_for_ever_with_the_same_bytes() {
    for status in [408, 425, 429, 503] {
        let (_, depot) = something().await;
        let cloud = MemoryCloud::judging(move |_| Verdict::Refuse(answer(status, "not now")));
        let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
        let began = Instant::now();
        uploading.until(|_| began.elapsed() > Duration::from_hours(24)).await;
        assert_eq!((depot.waiting().await, depot.dead().await), (1, vec![]));
        let parcels = cloud.parcels();
        // Every quarter of an hour at the latest, every few minutes on average.
        assert!((48..300).contains(&parcels.len()), "{} attempts in half a day", parcels.len());
        assert!(
            parcels.iter().all(|parcel| (&parcel.key, &parcel.zip) == (&parcels[0].key, &parcels[0].zip))
        );
        cloud.judge(|_| Verdict::Take);
        uploading.idle().await;
        assert_eq!(depot.waiting().await, 0);
    }
}

/// How long the loop waits after an answer with these headers, seconds.
#[cfg(feature = "sim")]
async fn wait_after(headers: &'static [(&'static str, &'static str)]) -> i64 {
    use axum::body::Body;
    use axum::response::Response;

    use crate::support::served_cloud::ServedCloud;
    use crate::support::upload::BOOTED;

    let (_, depot) = something().await;
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    cloud.instead(move |asked| {
        let refusal = headers
            .iter()
            .fold(Response::builder().status(429), |answer, (name, value)| answer.header(*name, *value));
        (!asked.key.is_empty()).then(|| refusal.body(Body::empty()).unwrap())
    });
    let status = Loop::start(client, &depot.outbox).holding().await;
    assert_eq!(depot.waiting().await, 1);
    match status.state {
        UploadState::Holding { reason: HoldReason::Unavailable { .. }, until } => {
            until.since(BOOTED) / 1_000_000
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(feature = "sim")]
#[tokio::test]
async fn retry_after_is_understood_in_every_form_and_never_silences_for_more_than_a_day() {
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    for (headers, wait) in [
        (&[("retry-after", "600")][..], 600),
        (&[("retry-after", "Sun, 06 Nov 1994 08:59:37 GMT"), DATE], 600),
        (&[("retry-after", "99999999999")], 86_400),
        (&[("retry-after", "Thu, 31 Dec 2099 23:59:59 GMT"), DATE], 86_400),
        (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), DATE], 2),
        (&[("retry-after", "soon")], 2),
        (&[("retry-after", "-600")], 2),
        (&[], 2),
    ] {
        // The jitter of a first failure is two seconds; the rest is a busy machine's.
        let waits = wait_after(headers).await;
        assert!((wait..wait + 60).contains(&waits), "{waits} s after {headers:?}");
    }
}
