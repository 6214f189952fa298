//! From notifications over the air to what the cloud holds, second by second.

use std::time::Duration;

use nowbridge::measurement::{HeartBeatFrame, Kind};
use nowbridge::sync::Outcome;
use nowbridge::wire::bridge::Stream;
use nowbridge::wire::gatt;
use tokio::time::Instant;

use crate::support::memory_cloud::MemoryCloud;
use crate::support::strap::{Listener, Strap};
use crate::support::upload::Loop;
use crate::support::watch::START;

/// Unix second so long after the story begins.
fn second(after: i64) -> i64 {
    START.0 / 1_000_000 + after
}

#[tokio::test(start_paused = true)]
async fn heart_rate_and_beats_have_the_right_seconds_and_qualities() {
    let listener = Listener::near(Strap::new().notifying(gatt::TEMPERATURE)).await;
    // Off the border of a second, so that the latency of the air does not matter.
    let start = Instant::now() + Duration::from_millis(300);
    let at = |second| start + Duration::from_secs(second);
    // The vectors of the reference page, and the same strap losing contact.
    listener.strap.will_say(at(5), &[0x16, 0x50, 0x00, 0x04, 0x00, 0x04][..]);
    listener.strap.will_say(at(6), &[0x10, 0x48, 0xB0, 0x03][..]);
    listener.strap.will_notify(at(6), gatt::TEMPERATURE, &[0x00, 0x6C, 0x01, 0x00, 0xFF][..]);
    listener.strap.will_say(at(7), &[0x04, 0x48][..]);
    listener.strap.will_say(at(8), &[0x04, 0x00][..]);
    let (report, told) = listener.listen_for(30).await;
    assert_eq!((report.outcome, report.new, told.samples, told.stored), (Outcome::Complete, 3, 8, 8));

    let cloud = MemoryCloud::new();
    Loop::start(cloud.clone(), &listener.outbox).idle().await;
    let mut held = cloud.held();
    let beats: Vec<_> = held
        .extract_if(.., |(kind, _), _| *kind == Kind::HeartBeat)
        .map(|((_, second), (frame, _))| (second, HeartBeatFrame::from_hex(&frame).unwrap()))
        .collect();
    let values: Vec<_> =
        held.into_iter().map(|((kind, at), (value, quality))| (kind, at, value, quality)).collect();
    let rate = |after, bpm: &str, quality| (Kind::HeartRate, second(after), bpm.to_owned(), Some(quality));
    let mut expected = vec![rate(5, "80", 3), rate(6, "72", 2), rate(7, "72", 0)];
    expected.push((Kind::Temperature, second(6), "36.4".to_owned(), Some(2)));
    assert_eq!(values, expected);

    // Three beats of the first notification, a second apart, and one 944/1024 s after them.
    let seconds: Vec<i64> = beats.iter().map(|(second, _)| *second).collect();
    assert_eq!(seconds, [3, 4, 5, 6].map(second));
    let beats: Vec<_> = beats.iter().flat_map(|(_, frame)| frame.beats()).collect();
    let gaps: Vec<u32> = beats.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
    assert!(gaps == [1_000, 1_000, 922] || gaps == [1_000, 1_000, 921], "{gaps:?}");
    assert!(beats.iter().all(|beat| !beat.ends_run));
    assert_eq!(beats.iter().map(|beat| beat.quality.get()).collect::<Vec<_>>(), [3, 3, 3, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_kind_is_kept_and_not_sent() {
    let strap = Strap::new().notifying(gatt::CONTINUOUS_OXIMETRY).notifying(gatt::RUNNING_CADENCE);
    let listener = Listener::near(strap).await;
    let at = Instant::now() + Duration::from_secs(5);
    listener.strap.will_notify(at, gatt::CONTINUOUS_OXIMETRY, &[0x00, 0x62, 0x00, 0x48, 0x00][..]);
    listener.strap.will_notify(at, gatt::RUNNING_CADENCE, &[0x00, 0x00, 0x02, 0x50][..]);
    listener.listen_for(20).await;
    let spo2: Vec<i32> = listener.stored(Stream::SPO2).await.iter().map(|(_, sample)| sample.value).collect();
    assert_eq!(spo2, [98]);

    let cloud = MemoryCloud::new();
    Loop::start(cloud.clone(), &listener.outbox).idle().await;
    let held: Vec<_> = cloud.held().into_iter().map(|((kind, _), (value, _))| (kind, value)).collect();
    assert_eq!(held, [(Kind::ActivityCadence, "80".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_is_measured_is_sent_while_the_session_goes_on() {
    let listener = Listener::near(Strap::new()).await;
    listener.strap.beats_evenly(Instant::now(), 3_600);
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start(cloud.clone(), &listener.outbox);
    let look = async {
        for minute in 1..=50 {
            tokio::time::sleep(Duration::from_mins(1)).await;
            uploading.idle_again().await;
            let newest =
                cloud.held().keys().filter(|(kind, _)| *kind == Kind::HeartRate).map(|key| key.1).max();
            let age = second(minute * 60) - newest.unwrap();
            assert!((0..=12).contains(&age), "after {minute} minutes the newest second is {age} s old");
        }
    };
    let ((report, told), ()) = tokio::join!(listener.listen_for(3_050), look);
    assert_eq!((report.outcome, told.stored), (Outcome::Complete, told.samples));
    uploading.idle_again().await;
    let status = uploading.status();
    assert_eq!((status.dead, status.held_undated), (0, 0));
    let rates = cloud.held().keys().filter(|(kind, _)| *kind == Kind::HeartRate).count() as u64;
    let beats: usize = cloud
        .held()
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::HeartBeat)
        .map(|(_, (frame, _))| HeartBeatFrame::from_hex(frame).unwrap().beats().len())
        .sum();
    // One more beat than intervals; two notifications may fall into one second.
    assert_eq!(beats as u64 - 1, told.samples / 2);
    assert!(told.samples / 2 - rates <= status.folded, "{rates} of {} rates", told.samples / 2);
}
