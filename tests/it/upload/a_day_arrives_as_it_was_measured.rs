//! From blocks in SQLite, over HTTP, to what the cloud reads back.

#![cfg(feature = "sim")]
use nowbridge::measurement::{Kind, Quality};
use nowbridge::upload::UploaderConfig;
use nowbridge::wire::bridge::{Sample, Stream};

use crate::support::served_cloud::ServedCloud;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, beats, config, sample, sink, values};

const DAY_S: u64 = 86_400;

/// A heart that is followed through a day, with a loose strap for a minute in every ten.
fn heart_rates(rng: &mut fastrand::Rng) -> Vec<Sample> {
    let mut bpm = 62;
    let second = |second: u64| {
        bpm = (bpm + rng.i32(-2..=2)).clamp(45, 180);
        let quality = if second % 600 < 60 { rng.u8(0..=3) } else { 4 };
        let quality = Quality::try_from(quality).unwrap();
        // Half past each second, so that a wrong rounding shows.
        Sample { at_ms: second * 1_000 + 500, value: bpm, quality }
    };
    (0..DAY_S).map(second).collect()
}

/// Beats in runs of some hundred, with pauses between them.
fn heart_beats(rng: &mut fastrand::Rng) -> Vec<Sample> {
    let (mut samples, mut at_ms) = (Vec::new(), 700);
    while at_ms < DAY_S * 1_000 {
        samples.push(sample(at_ms, 0));
        for _ in 0..rng.usize(1..900) {
            let interval = rng.i32(420..1_300);
            at_ms += interval as u64;
            samples.push(sample(at_ms, interval));
        }
        at_ms += rng.u64(100..30_000);
    }
    samples
}

fn temperatures(rng: &mut fastrand::Rng) -> Vec<Sample> {
    (0..DAY_S / 60).map(|minute| sample(minute * 60_000, rng.i32(2_900..3_700))).collect()
}

#[tokio::test]
async fn what_the_cloud_reads_back_is_what_was_sampled_second_by_second() {
    let mut rng = fastrand::Rng::with_seed(3);
    let (heart, pulse, skin) = (heart_rates(&mut rng), heart_beats(&mut rng), temperatures(&mut rng));
    let mut recorder = Recorder::new();
    let tracks = [(Stream::HEART_RATE, &heart), (Stream::BEATS, &pulse), (Stream::TEMPERATURE, &skin)];
    let mut samples: Vec<(Stream, Sample)> =
        tracks.iter().flat_map(|(stream, samples)| samples.iter().map(|sample| (*stream, *sample))).collect();
    samples.sort_by_key(|(_, sample)| sample.at_ms);
    for (stream, sample) in samples {
        recorder.record(stream, sample);
    }
    let mut expected = Held::new();
    values(&mut expected, Kind::HeartRate, BOOTED, &heart);
    values(&mut expected, Kind::Temperature, BOOTED, &skin);
    beats(&mut expected, BOOTED, &pulse);

    let depot = Depot::holding(&mut recorder).await;
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    let config = UploaderConfig { max_samples: 20_000, ..config() };
    let mut uploading = Loop::start_with(config, client.clone(), &depot.outbox);
    let status = uploading.idle().await;
    uploading.stop().await;

    assert_eq!(depot.waiting().await, 0);
    assert!(cloud.held(&client).await == expected, "the cloud holds something else");
    let receipts = depot.outbox.receipts(u32::MAX).await.unwrap();
    assert_eq!((receipts.len() as u64, receipts.len()), (status.batches, cloud.uploads().len()));
    let confirmed: u64 = receipts.iter().map(|receipt| u64::from(receipt.samples)).sum();
    assert_eq!(confirmed, (heart.len() + pulse.len() + skin.len()) as u64);
    let bytes: u64 = cloud.uploads().iter().map(|upload| upload.file.len() as u64).sum();
    assert_eq!((status.sent_bytes, status.dead, status.folded), (bytes, 0, 0));
    assert!(status.batches > 10, "{} batches show nothing about their seams", status.batches);
    assert!(depot.outbox.backlog(&sink()).await.unwrap().is_empty());
}
