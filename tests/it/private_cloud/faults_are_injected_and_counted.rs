//! The faults between a client and the cloud.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use nowbridge::sim::cloud::{Fault, FaultPlan, Faults};
use tower::ServiceExt;

use crate::support::private_cloud::{Home, table, zipped};

/// A cloud with faults, a log-in, and a file to upload.
async fn broken_home(seed: u64) -> (Home, Faults, String, Vec<u8>) {
    let (mut home, token) = Home::with_user().await;
    let faults = Faults::seeded(seed);
    home.cloud = home.cloud.with_faults(faults.clone());
    (home, faults, token, zipped(&table("1672531200,72,4\n")))
}

#[tokio::test(start_paused = true)]
async fn a_fault_before_the_work_leaves_nothing_and_one_after_it_leaves_the_data() {
    for (fault, status, kept) in [
        (Fault::ServerError, 500, false),
        (Fault::Unavailable, 503, false),
        (Fault::TooManyRequests, 429, false),
        (Fault::CaptivePortal, 200, false),
        (Fault::AnswerLost, 502, true),
    ] {
        let (home, faults, token, zip) = broken_home(1).await;
        faults.set(FaultPlan { retry_after: Duration::from_secs(7), ..FaultPlan::default() });
        faults.queue([fault]);
        let answer = home.upload(&token, Some("batch"), &[("file", &zip), ("type", b"HEART_RATE")]).await;
        assert_eq!(answer.status.as_u16(), status, "{fault:?}");
        let retry_after = answer.headers.get("retry-after").map(|seconds| seconds.to_str().unwrap());
        assert_eq!(retry_after.is_some_and(|seconds| seconds == "7"), status == 503 || status == 429);
        let html = answer.body.starts_with(b"<html>");
        assert_eq!(html, !matches!(fault, Fault::ServerError | Fault::TooManyRequests), "{fault:?}");
        assert_eq!(home.values(&token, "HEART_RATE").await.len(), usize::from(kept), "{fault:?}");
        assert_eq!((faults.injected(fault), faults.total()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_was_carried_out_all_the_same() {
    let (home, faults, token, _) = broken_home(1).await;
    faults.queue([Fault::AnswerCut]);
    let request = Request::get("/v1/user").header("authorization", format!("Bearer {token}"));
    let response = home.cloud.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(axum::body::to_bytes(response.into_body(), usize::MAX).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_brings_the_same_faults_and_the_default_plan_none() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (home, faults, token, _) = broken_home(42).await;
        faults.set(FaultPlan {
            odds: vec![(Fault::ServerError, 0.3), (Fault::Unavailable, 0.3)],
            only: Some("/v1/user".to_owned()),
            ..FaultPlan::default()
        });
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(home.get("/v1/user", &token).await.status.as_u16());
            assert_eq!(home.get("/v1/user/settings", &token).await.status, StatusCode::OK);
        }
        assert_eq!(faults.total(), statuses.iter().filter(|&&status| status != 200).count() as u64);
        assert!([200, 500, 503].iter().all(|status| statuses.contains(status)), "{statuses:?}");
        faults.set(FaultPlan::default());
        assert_eq!(home.get("/v1/user", &token).await.status, StatusCode::OK);
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
}
