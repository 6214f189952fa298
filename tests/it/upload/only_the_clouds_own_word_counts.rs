//! A sign-in page says 200 to everything, and a redirect leads anywhere.

#![cfg(feature = "sim")]
use axum::body::Body;
use axum::response::Response;
use nowbridge::measurement::Kind;
use nowbridge::sim::cloud::Fault;
use nowbridge::upload::{HoldReason, UploadState};
use nowbridge::wire::bridge::Stream;

use crate::support::served_cloud::ServedCloud;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, sample, values};

#[tokio::test]
async fn an_answer_that_is_not_the_clouds_frees_nothing() {
    let samples: Vec<_> = (0..600).map(|second| sample(second * 1_000, 60)).collect();
    let (mut recorder, mut expected) = (Recorder::new(), Held::new());
    recorder.record_all(Stream::HEART_RATE, &samples);
    values(&mut expected, Kind::HeartRate, BOOTED, &samples);
    let depot = Depot::holding(&mut recorder).await;
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;

    cloud.faults.queue([Fault::CaptivePortal]);
    let said = unavailable(Loop::start(client.clone(), &depot.outbox)).await;
    assert!(said.contains("sign-in page") && said.contains("Welcome!"), "{said}");

    let elsewhere = "https://elsewhere.example.org/nowatch/v1/measurement/upload";
    for status in [302, 307, 308] {
        cloud.instead(move |asked| {
            let redirect = Response::builder().status(status).header("location", elsewhere);
            (!asked.key.is_empty()).then(|| redirect.body(Body::empty()).unwrap())
        });
        let said = unavailable(Loop::start(client.clone(), &depot.outbox)).await;
        assert!(said.contains("redirects to https://elsewhere.example.org"), "{said}");
    }
    assert_eq!((depot.waiting().await, depot.outbox.receipts(9).await.unwrap()), (600, vec![]));

    cloud.instead(|_| None);
    Loop::start(client.clone(), &depot.outbox).idle().await;
    assert!(cloud.held(&client).await == expected, "the cloud holds something else");
    let keys: Vec<String> = cloud.uploads().into_iter().map(|upload| upload.key).collect();
    assert!(keys.len() == 5 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

/// What the loop says of a cloud that is not there, or not the one.
async fn unavailable(mut uploading: Loop) -> String {
    let status = uploading.holding().await;
    uploading.stop().await;
    match status.state {
        UploadState::Holding {
            reason: HoldReason::Unavailable { detail, .. } | HoldReason::Misdirected { detail },
            ..
        } => detail,
        other => panic!("{other:?}"),
    }
}
