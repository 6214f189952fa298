//! A batch that may or may not have arrived keeps its key and its bytes while somebody has to log in.

use nowbridge::upload::{HoldReason, UploadState};
use nowbridge::wire::bridge::Stream;

use crate::support::memory_cloud::{MemoryCloud, Verdict};
use crate::support::upload::{Depot, Loop, Recorder, sample};

#[tokio::test(start_paused = true)]
async fn and_a_restart() {
    let mut recorder = Recorder::sealing_at(100);
    recorder.record_all(Stream::HEART_RATE, &(0..600).map(|at| sample(at * 1_000, 60)).collect::<Vec<_>>());
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::judging(|_| Verdict::Lose);
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.holding().await;
    let began = uploading.status().holding_since;
    assert!(began.is_some());
    cloud.state().logged_in = false;
    let needs_login = |state: &UploadState| {
        matches!(state, UploadState::Holding { reason: HoldReason::NeedsLogin { .. }, .. })
    };
    let status = uploading.until(|status| needs_login(&status.state)).await;
    assert_eq!(status.holding_since, began, "nothing has got through since, whatever the reasons");
    uploading.stop().await;

    let depot = depot.reopened().await;
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.until(|status| needs_login(&status.state)).await;
    cloud.judge(|_| Verdict::Take);
    cloud.state().logged_in = true;
    let status = uploading.idle().await;
    let sent: Vec<_> = cloud.parcels().into_iter().map(|parcel| (parcel.key, parcel.zip)).collect();
    assert!(sent.len() >= 2 && sent.iter().all(|parcel| *parcel == sent[0]), "{}", sent.len());
    assert_eq!((status.batches, status.rows, status.holding_since), (1, 600, None));
}
