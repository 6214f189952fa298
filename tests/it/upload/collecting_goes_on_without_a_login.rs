//! Somebody has to log in; until then measurements gather, and nothing is lost.

use nowbridge::measurement::Kind;
use nowbridge::upload::{HoldReason, UploadState};
use nowbridge::wire::bridge::Stream;

use crate::support::memory_cloud::MemoryCloud;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, sample, values};

/// Minute after minute of heart rate.
fn minutes(range: std::ops::Range<u64>) -> Vec<nowbridge::wire::bridge::Sample> {
    (range.start * 60..range.end * 60).map(|second| sample(second * 1_000, 70)).collect()
}

fn needs_login(state: &UploadState) -> bool {
    matches!(state, UploadState::Holding { reason: HoldReason::NeedsLogin { .. }, .. })
}

#[tokio::test(start_paused = true)]
async fn a_login_is_noticed_within_seconds_and_consent_is_asked_anew() {
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &minutes(0..60));
    let depot = Depot::holding(&mut Recorder::new()).await;
    depot.append(recorder.take()).await;
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;
    let asked = cloud.state().settings_asked;

    cloud.state().logged_in = false;
    recorder.record_all(Stream::HEART_RATE, &minutes(60..120));
    depot.append(recorder.take()).await;
    uploading.wake();
    let status = uploading.holding().await;
    assert!(needs_login(&status.state), "{status:?}");
    recorder.record_all(Stream::HEART_RATE, &minutes(120..180));
    depot.append(recorder.take()).await;
    uploading.wake();
    assert_eq!(depot.waiting().await, 7_200);

    let logged_in = tokio::time::Instant::now();
    cloud.state().logged_in = true;
    uploading.idle().await;
    assert!(logged_in.elapsed().as_secs() < 60, "{:?}", logged_in.elapsed());
    let mut expected = Held::new();
    values(&mut expected, Kind::HeartRate, BOOTED, &minutes(0..180));
    assert_eq!(cloud.held(), expected);
    // It may be another account that was logged in to.
    assert!(cloud.state().settings_asked > asked);
}

#[cfg(feature = "sim")]
#[tokio::test]
async fn a_wrong_password_holds_the_upload_and_the_right_one_lets_it_go() {
    use crate::support::private_cloud::PASSWORD;
    use crate::support::served_cloud::{ServedCloud, somebody};

    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &minutes(0..10));
    let depot = Depot::holding(&mut Recorder::new()).await;
    depot.append(recorder.take()).await;
    let cloud = ServedCloud::open().await;
    let client = cloud.client_with("Wrong-horse-1");
    let mut uploading = Loop::start(client.clone(), &depot.outbox);
    let status = uploading.holding().await;
    assert!(needs_login(&status.state), "{status:?}");

    recorder.record_all(Stream::HEART_RATE, &minutes(10..20));
    depot.append(recorder.take()).await;
    assert_eq!((depot.waiting().await, cloud.uploads().len()), (1_200, 0));
    uploading.stop().await;
    // Another process logs in, as `nowbridge login` does.
    cloud.client().login(&somebody(PASSWORD)).await.unwrap();
    Loop::start(client.clone(), &depot.outbox).idle().await;
    let mut expected = Held::new();
    values(&mut expected, Kind::HeartRate, BOOTED, &minutes(0..20));
    assert!(cloud.held(&client).await == expected, "the cloud holds something else");
}

#[cfg(feature = "sim")]
#[tokio::test]
async fn a_token_that_is_refused_halfway_is_renewed_and_the_batch_sent_again() {
    use crate::support::cloud::refusal;
    use crate::support::served_cloud::ServedCloud;

    let mut recorder = Recorder::sealing_at(500);
    recorder.record_all(Stream::HEART_RATE, &minutes(0..120));
    let depot = Depot::holding(&mut recorder).await;
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    let mut uploads = 0;
    cloud.instead(move |asked| {
        uploads += u32::from(!asked.key.is_empty());
        (uploads == 2 && !asked.key.is_empty()).then(|| refusal(401, "Unauthorized"))
    });
    let status = Loop::start(client.clone(), &depot.outbox).idle().await;

    let uploads = cloud.uploads();
    assert_eq!((uploads[1].status, uploads[2].status), (401, 201));
    assert_eq!((&uploads[1].key, &uploads[1].file), (&uploads[2].key, &uploads[2].file));
    assert_eq!(cloud.asked("/v1/auth/refresh").len(), 1);
    assert_eq!((status.batches, status.dead), (uploads.len() as u64 - 1, 0));
    assert_eq!(cloud.held(&client).await.len(), 7_200);
}
