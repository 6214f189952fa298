//! Whether data may leave is the account's to say.

use nowbridge::measurement::Kind;
use nowbridge::upload::{HoldReason, UploadState};
use nowbridge::wire::bridge::Stream;
use tokio::time::Duration;

use crate::support::memory_cloud::MemoryCloud;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, sample, values};

fn ten_minutes() -> (Recorder, Held) {
    let samples: Vec<_> = (0..600).map(|second| sample(second * 1_000, 60)).collect();
    let (mut recorder, mut held) = (Recorder::new(), Held::new());
    recorder.record_all(Stream::HEART_RATE, &samples);
    values(&mut held, Kind::HeartRate, BOOTED, &samples);
    (recorder, held)
}

fn no_consent(state: &UploadState) -> bool {
    matches!(state, UploadState::Holding { reason: HoldReason::NoConsent, .. })
}

#[cfg(feature = "sim")]
#[tokio::test]
async fn not_one_upload_is_tried_until_it_is_given() {
    use crate::support::private_cloud::EMAIL;
    use crate::support::served_cloud::ServedCloud;

    let (mut recorder, expected) = ten_minutes();
    let depot = Depot::holding(&mut recorder).await;
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    cloud.private.set_consent(EMAIL, false).await.unwrap();
    let mut uploading = Loop::start(client.clone(), &depot.outbox);
    let status = uploading.holding().await;
    assert!(no_consent(&status.state), "{status:?}");
    uploading.stop().await;
    assert_eq!((depot.waiting().await, cloud.uploads().len()), (600, 0));

    cloud.private.set_consent(EMAIL, true).await.unwrap();
    Loop::start(client.clone(), &depot.outbox).idle().await;
    assert!(cloud.held(&client).await == expected, "the cloud holds something else");
}

#[tokio::test(start_paused = true)]
async fn it_can_be_taken_back_and_given_again_while_the_loop_runs() {
    let (mut recorder, mut expected) = ten_minutes();
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;
    let sent = cloud.parcels().len();

    cloud.state().consent = false;
    tokio::time::advance(Duration::from_hours(1)).await;
    let later: Vec<_> = (600..1_200).map(|second| sample(second * 1_000, 70)).collect();
    recorder.record_all(Stream::HEART_RATE, &later);
    values(&mut expected, Kind::HeartRate, BOOTED, &later);
    depot.append(recorder.take()).await;
    uploading.wake();
    let status = uploading.holding().await;
    assert!(no_consent(&status.state), "{status:?}");
    assert_eq!((cloud.parcels().len(), depot.waiting().await), (sent, 600));

    cloud.state().consent = true;
    uploading.idle().await;
    assert_eq!(cloud.held(), expected);
}
