//! Some clouds take less at once than others, and do not say how much.

use nowbridge::measurement::Kind;
use nowbridge::upload::{HoldReason, UploadState};
use nowbridge::wire::bridge::Stream;

use crate::support::memory_cloud::{MemoryCloud, Parcel, Verdict, answer};
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, sample, values};

/// Six hours of heart rate in blocks of 100, and what they come to.
async fn six_hours() -> (Depot, Held) {
    let samples: Vec<_> = (0..21_600).map(|second| sample(second * 1_000, 60)).collect();
    let (mut recorder, mut held) = (Recorder::sealing_at(100), Held::new());
    recorder.record_all(Stream::HEART_RATE, &samples);
    values(&mut held, Kind::HeartRate, BOOTED, &samples);
    (Depot::holding(&mut recorder).await, held)
}

fn up_to(rows: usize) -> impl FnMut(&Parcel) -> Verdict + Send {
    move |parcel| {
        if parcel.rows.len() <= rows {
            Verdict::Take
        } else {
            Verdict::Refuse(answer(413, "request entity too large"))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn until_it_fits_and_what_fits_is_remembered() {
    let (depot, expected) = six_hours().await;
    let cloud = MemoryCloud::judging(up_to(600));
    let status = Loop::start(cloud.clone(), &depot.outbox).idle().await;

    assert_eq!((cloud.held(), depot.dead().await), (expected, vec![]));
    // 2,000 and 1,000 are too large; from then on nothing larger than 500 is tried.
    let sizes: Vec<usize> = cloud.parcels().iter().map(|parcel| parcel.rows.len()).collect();
    assert_eq!(sizes[..4], [2_000, 1_000, 500, 500]);
    assert!(sizes[2..].iter().all(|&size| size <= 600), "{sizes:?}");
    assert_eq!(status.batches, sizes.len() as u64 - 2);
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_takes_nothing_at_all_has_another_problem() {
    let (depot, expected) = six_hours().await;
    let cloud = MemoryCloud::judging(up_to(0));
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    let status = uploading.holding().await;
    let UploadState::Holding { reason: HoldReason::Refused { detail }, .. } = status.state else {
        panic!("{status:?}")
    };
    assert!(detail.contains("HEART_RATE") && detail.contains("too large"), "{detail}");
    assert_eq!((depot.waiting().await, depot.dead().await), (21_600, vec![]));

    cloud.judge(|_| Verdict::Take);
    uploading.idle().await;
    assert_eq!((cloud.held(), depot.dead().await), (expected, vec![]));
    // That was no question of size, so batches are as large as ever.
    assert!(cloud.parcels().iter().any(|parcel| parcel.earlier > 9 && parcel.rows.len() == 2_000));
}
