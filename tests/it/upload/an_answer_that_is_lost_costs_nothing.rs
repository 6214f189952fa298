//! The cloud has stored a batch, but we have not heard of it.

use nowbridge::measurement::{Kind, UtcMicros};
use nowbridge::wire::bridge::Stream;

use crate::support::memory_cloud::{MemoryCloud, Verdict, answer};
use crate::support::upload::{
    BOOTED, Depot, Held, LONG_US, Loop, Recorder, after_long, config, sample, values,
};

/// Two hours of heart rate, and what they come to.
fn two_hours() -> (Recorder, Held) {
    let samples: Vec<_> =
        (0..7_200).map(|second| sample(second * 1_000, 60 + (second % 17) as i32)).collect();
    let (mut recorder, mut held) = (Recorder::new(), Held::new());
    recorder.record_all(Stream::HEART_RATE, &samples);
    values(&mut held, Kind::HeartRate, BOOTED, &samples);
    (recorder, held)
}

#[tokio::test(start_paused = true)]
async fn the_retry_brings_the_same_bytes_under_the_same_key() {
    let (mut recorder, expected) = two_hours();
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::judging(|parcel| match parcel.earlier {
        1 | 2 => Verdict::Lose,
        _ => Verdict::Take,
    });
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;

    let parcels = cloud.parcels();
    let second: Vec<_> = parcels[1..4].iter().map(|parcel| (&parcel.key, &parcel.zip)).collect();
    assert!(second.iter().all(|attempt| *attempt == second[0]));
    assert_eq!(cloud.held(), expected);
    let batches = depot.outbox.receipts(9).await.unwrap().len();
    assert_eq!(batches, parcels.len() - 2);
}

#[tokio::test(start_paused = true)]
async fn the_retry_has_the_dates_of_the_first_attempt_whatever_has_been_learnt_since() {
    let (mut recorder, expected) = two_hours();
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::judging(|_| Verdict::Lose);
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.holding().await;
    // A second look at the watch's clock: it is 500 ppm slow. Dated by that, the rest would overlap what is already there.
    depot.anchor(1, LONG_US + 7_200_000_000, UtcMicros(after_long(BOOTED).0 + 7_203_600_000)).await;
    cloud.judge(|_| Verdict::Take);
    uploading.idle().await;

    let parcels = cloud.parcels();
    assert_eq!((&parcels[0].key, &parcels[0].zip), (&parcels[1].key, &parcels[1].zip));
    assert_eq!(cloud.held(), expected, "what had a date keeps it, in the batches after it too");
    let receipts = depot.outbox.receipts(9).await.unwrap();
    let rows: u32 = receipts.iter().map(|receipt| receipt.rows).sum();
    assert_eq!((rows, depot.waiting().await), (7_200, 0));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_cloud_knows_with_other_bytes_is_replaced() {
    let (mut recorder, expected) = two_hours();
    let depot = Depot::holding(&mut recorder).await;
    // As after an update that packs the same rows differently: the first attempt was stored, but under these bytes.
    let cloud = MemoryCloud::judging(|parcel| match parcel.earlier {
        0 => Verdict::Lose,
        1 => Verdict::Refuse(answer(409, "this Idempotency-Key was used for other bytes")),
        _ => Verdict::Take,
    });
    Loop::start_with(config(), cloud.clone(), &depot.outbox).idle().await;

    let parcels = cloud.parcels();
    assert_eq!(parcels[0].key, parcels[1].key);
    assert_ne!(parcels[1].key, parcels[2].key);
    assert_eq!(parcels[1].rows, parcels[2].rows);
    assert_eq!((cloud.held(), depot.dead().await), (expected, vec![]));
}

#[cfg(feature = "sim")]
#[tokio::test]
async fn it_makes_no_difference_if_the_daemon_is_restarted_in_between() {
    use crate::support::served_cloud::ServedCloud;
    use nowbridge::sim::cloud::Fault;

    let (mut recorder, expected) = two_hours();
    let mut depot = Depot::holding(&mut recorder).await;
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    for fault in [Fault::AnswerLost, Fault::AnswerCut] {
        cloud.faults.queue([fault]);
        let mut uploading = Loop::start(client.clone(), &depot.outbox);
        uploading.holding().await;
        uploading.stop().await;
        depot = depot.reopened().await;
    }
    let mut uploading = Loop::start(client.clone(), &depot.outbox);
    uploading.idle().await;

    let uploads = cloud.uploads();
    let first: Vec<_> = uploads[..3].iter().map(|upload| (&upload.key, &upload.file)).collect();
    assert!(first.iter().all(|attempt| *attempt == first[0]), "another key or another file");
    assert_eq!(depot.outbox.receipts(99).await.unwrap().len(), uploads.len() - 2);
    assert!(cloud.held(&client).await == expected, "the cloud holds something else");
}
