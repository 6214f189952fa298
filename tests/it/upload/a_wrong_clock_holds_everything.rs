//! A connection that is not secure yet says nothing about the measurements, nor about the login.

use nowbridge::upload::{HoldReason, UploadState};
use nowbridge::wire::bridge::Stream;

use crate::cloud::a_wrong_clock_is_told_apart::{EARLY, cloud_with};
use crate::support::cloud::{client, leave_login};
use crate::support::upload::{Depot, Loop, Recorder, sample};

#[tokio::test]
async fn until_the_clock_is_set() {
    let mut recorder = Recorder::new();
    recorder.record(Stream::HEART_RATE, sample(0, 60));
    let depot = Depot::holding(&mut recorder).await;
    let base_url = cloud_with(EARLY).await;
    let tokens = depot.dir.path().join("tokens");
    leave_login(&base_url, &tokens, 0);
    let status = Loop::start(client(&base_url, &tokens), &depot.outbox).holding().await;
    let UploadState::Holding { reason: HoldReason::WrongClock { detail }, .. } = status.state else {
        panic!("{status:?}")
    };
    assert!(detail.contains("clock"), "{detail}");
    assert_eq!((depot.waiting().await, depot.dead().await), (1, vec![]));
}
