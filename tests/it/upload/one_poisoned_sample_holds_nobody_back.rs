//! One sample of thousands is what the cloud will never take.

use nowbridge::measurement::{Kind, Value};
use nowbridge::upload::UploaderConfig;
use nowbridge::wire::bridge::Stream;
use tokio::time::{Duration, Instant};

use crate::support::memory_cloud::{MemoryCloud, Parcel, Verdict, answer};
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, beats, config, sample, sink, values};

/// No heart beats that often.
const POISON: i32 = 251;
const BLOCK: u64 = 100;

/// Heart rate with poison in these seconds; expected is all the rest.
fn poisoned(seconds: std::ops::Range<u64>, poison: &[u64]) -> (Recorder, Held) {
    let value = |second: u64| if poison.contains(&second) { POISON } else { 60 };
    let (mut recorder, mut held) = (Recorder::sealing_at(BLOCK as usize), Held::new());
    for second in seconds {
        let sample = sample(second * 1_000, value(second));
        recorder.record(Stream::HEART_RATE, sample);
        if !poison.contains(&second) {
            values(&mut held, Kind::HeartRate, BOOTED, &[sample]);
        }
    }
    (recorder, held)
}

fn not_a_heart(parcel: &Parcel) -> Verdict {
    match parcel.rows.iter().position(|row| row.value == Value::Integer(POISON.into())) {
        Some(row) => Verdict::Refuse(answer(422, &format!("line {}: 251 is no heart rate", row + 2))),
        None => Verdict::Take,
    }
}

#[tokio::test(start_paused = true)]
async fn only_it_becomes_a_dead_letter_with_the_clouds_words() {
    // Alone, in neighbouring blocks, and in the very first.
    for poison in [vec![7_777], vec![7_777, 7_801, 7_901], vec![0], vec![50, 150, 250, 7_777]] {
        let (mut recorder, expected) = poisoned(0..20_000, &poison);
        let depot = Depot::holding(&mut recorder).await;
        let cloud = MemoryCloud::judging(not_a_heart);
        let status = Loop::start(cloud.clone(), &depot.outbox).idle().await;

        assert_eq!((cloud.held() == expected, depot.waiting().await), (true, 0), "{poison:?}");
        let dead = depot.dead().await;
        let seqs: Vec<u32> = dead.iter().map(|(seq, ..)| *seq).collect();
        let bad: Vec<u32> = poison.iter().map(|second| (second / BLOCK) as u32 + 1).collect();
        assert_eq!(seqs, bad);
        for (_, reason, said) in &dead {
            assert_eq!(reason, "refused");
            assert!(said.contains("422 to /v1/measurement/upload: line 2: 251 is no"), "{said}");
        }
        assert_eq!(status.dead, bad.len() as u64);
        let counted = depot.outbox.tallies(&sink()).await.unwrap();
        assert_eq!((counted[0].sent, counted[0].dead), (20_000 - status.dead, status.dead));
    }
}

/// How many requests it takes to find one in `samples`, and how long that is for a cloud that takes a second for each.
async fn search(samples: u64, at: u64) -> (usize, Duration) {
    let (mut recorder, expected) = poisoned(0..samples, &[at]);
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::judging(not_a_heart);
    let config = UploaderConfig { max_samples: samples, ..config() };
    Loop::start_with(config, cloud.clone(), &depot.outbox).idle().await;
    assert_eq!((cloud.held() == expected, depot.dead().await.len()), (true, 1), "{at} of {samples}");
    let requests = cloud.parcels().len();
    (requests, Duration::from_secs(requests as u64))
}

#[tokio::test(start_paused = true)]
async fn it_is_found_by_halving() {
    for at in [0, 1, 999, 4_095, 7_000, 8_191] {
        let (requests, took) = search(8_192, at).await;
        // Thirteen halves down to the sample, some more as blocks are kept whole, and as many doublings back to full size.
        assert!(requests <= 32, "{requests} requests for sample {at}");
        assert!(took <= Duration::from_secs(32));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_of_it_holds_back_neither_what_follows_nor_other_kinds() {
    let row: Vec<u64> = (2_000..2_120).collect();
    let (mut recorder, mut expected) = poisoned(0..4_000, &row);
    recorder.record(Stream::TEMPERATURE, sample(0, 3_300));
    values(&mut expected, Kind::Temperature, BOOTED, &[sample(0, 3_300)]);
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::judging(not_a_heart);
    let began = Instant::now();
    let status = Loop::start(cloud.clone(), &depot.outbox).idle().await;
    assert!(began.elapsed() < Duration::from_secs(1), "nothing waits: {:?}", began.elapsed());
    assert_eq!((cloud.held() == expected, status.dead), (true, 120));
    let requests = cloud.parcels().len();
    assert!(requests < 120 * 2 + 60, "{requests} requests");
}

#[tokio::test(start_paused = true)]
async fn the_only_sample_waits_until_there_is_another_to_compare_it_with() {
    let (mut recorder, _) = poisoned(0..1, &[0]);
    let depot = Depot::holding(&mut Recorder::new()).await;
    depot.append(recorder.take()).await;
    let cloud = MemoryCloud::judging(not_a_heart);
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.holding().await;
    assert_eq!((depot.waiting().await, depot.dead().await), (1, vec![]));

    let (more, mut expected): (Vec<_>, _) =
        ((1..100).map(|second| sample(second * 1_000, 61)).collect(), Held::new());
    recorder.record_all(Stream::HEART_RATE, &more);
    values(&mut expected, Kind::HeartRate, BOOTED, &more);
    depot.append(recorder.take()).await;
    let came = Instant::now();
    uploading.wake();
    uploading.idle().await;
    assert!(came.elapsed() < Duration::from_secs(30), "{:?}", came.elapsed());
    assert_eq!(depot.dead().await.len(), 1);
    assert_eq!(cloud.held(), expected);
}

#[tokio::test(start_paused = true)]
async fn beats_beside_the_poisoned_ones_are_kept() {
    // The second that is refused begins in one block and ends in the next.
    let (mut recorder, mut expected) = (Recorder::sealing_at(4), Held::new());
    let pulse: Vec<_> = (0..40_u64).map(|beat| sample(beat * 700, if beat == 0 { 0 } else { 700 })).collect();
    recorder.record_all(Stream::BEATS, &pulse);
    let depot = Depot::holding(&mut recorder).await;
    // Beat 19, at 13.3 s, is the last of block 5; block 6 begins at 14.0 s. Beat 21 is in the same second as beat 20.
    let poison = hex::encode(13_300_u32.to_le_bytes());
    let bad = poison.clone();
    let cloud = MemoryCloud::judging(move |parcel| {
        let is_bad = parcel.rows.iter().any(|row| row.value.to_string().contains(&bad));
        if is_bad { Verdict::Refuse(answer(422, "no beat")) } else { Verdict::Take }
    });
    Loop::start(cloud.clone(), &depot.outbox).idle().await;

    let dead: Vec<u32> = depot.dead().await.iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(dead, [5]);
    // The beats after the hole do not follow on those before it, which are marked.
    let mut rest: Vec<_> = [&pulse[..19], &pulse[20..]].concat();
    rest[19].value = 0;
    beats(&mut expected, BOOTED, &rest);
    assert_eq!(cloud.held(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_makes_the_cloud_fail_does_not_keep_back_the_others() {
    let mut recorder = Recorder::new();
    recorder.record(Stream::TEMPERATURE, sample(0, 3_300));
    let depot = Depot::holding(&mut recorder).await;
    // Younger, so that it comes after the temperature in any order of age.
    tokio::time::advance(Duration::from_secs(10)).await;
    recorder.record_all(
        Stream::HEART_RATE,
        &(0..7_200).map(|second| sample(second * 1_000, 60)).collect::<Vec<_>>(),
    );
    depot.append(recorder.take()).await;
    let cloud = MemoryCloud::judging(|parcel| match parcel.kind {
        Kind::Temperature => Verdict::Refuse(answer(500, "Internal server error")),
        _ => Verdict::Take,
    });
    let began = Instant::now();
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.until(|status| status.rows == 7_200).await;
    assert!(began.elapsed() < Duration::from_mins(5), "{:?}", began.elapsed());
    assert_eq!(depot.waiting().await, 1);
}
