//! A dead letter is tried again, and the cloud is given again what it has lost.

use nowbridge::measurement::{Kind, Reading, Value};
use nowbridge::outbox::{DeadRow, ErrandState, ErrandWhy, NewErrand, OutboxError, Position, Span};
use nowbridge::wire::bridge::{Seq, Stream};

use crate::support::memory_cloud::{MemoryCloud, Parcel, Verdict, answer};
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, beats, sample, sink, values};

const POISON: i32 = 251;

/// Two thousand seconds of heart rate with poison at second 777, in blocks of 100, sent; and what the cloud should hold.
async fn with_a_dead_letter() -> (Depot, MemoryCloud, Loop, Held, Recorder) {
    let heart: Vec<_> =
        (0..2_000).map(|second| sample(second * 1_000, if second == 777 { POISON } else { 60 })).collect();
    let (mut recorder, mut held) = (Recorder::sealing_at(100), Held::new());
    recorder.record_all(Stream::HEART_RATE, &heart);
    values(&mut held, Kind::HeartRate, BOOTED, &heart);
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::judging(no_poison);
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;
    assert_eq!(depot.counts().await, (1_999, 1, 0));
    (depot, cloud, uploading, held, recorder)
}

fn no_poison(parcel: &Parcel) -> Verdict {
    let is_bad = parcel.rows.iter().any(|row| row.value == Value::Integer(POISON.into()));
    if is_bad { Verdict::Refuse(answer(422, "no heart rate")) } else { Verdict::Take }
}

fn errand(depot: &Depot, kind: Kind, span: Span, why: ErrandWhy) -> NewErrand {
    NewErrand { sink: sink(), log: depot.log.key, kind, span, why }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_taken_at_last_counts_as_sent() {
    let (depot, cloud, mut uploading, held, _) = with_a_dead_letter().await;
    let span = Span::sample(Position { seq: Seq(8), sample: 77 });
    let retry = || errand(&depot, Kind::HeartRate, span, ErrandWhy::Retry);

    let first = depot.outbox.ask_errand(retry()).await.unwrap();
    let again = depot.outbox.ask_errand(retry()).await.unwrap();
    assert_eq!(first.key, again.key, "asked for once");
    uploading.idle_again().await;
    let ended = depot.outbox.errand(first.key).await.unwrap().unwrap();
    assert_eq!((ended.state, depot.counts().await), (ErrandState::GivenUp, (1_999, 1, 0)));
    assert_eq!(depot.dead().await.len(), 2, "a letter for each time");

    cloud.judge(|_| Verdict::Take);
    let second = depot.outbox.ask_errand(retry()).await.unwrap();
    uploading.idle_again().await;
    let ended = depot.outbox.errand(second.key).await.unwrap().unwrap();
    assert_eq!((ended.state, depot.counts().await), (ErrandState::Done, (2_000, 0, 0)));
    assert_eq!(cloud.held(), held);
    let error = depot.outbox.ask_errand(retry()).await.unwrap_err();
    assert!(matches!(error, OutboxError::NotDead { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_needs_only_the_letter() {
    let (depot, cloud, uploading, held, _) = with_a_dead_letter().await;
    uploading.stop().await;
    // As if the block had been freed, everybody having had it.
    let span = Span::sample(Position { seq: Seq(8), sample: 77 });
    depot.forget(Seq(8));
    cloud.judge(|_| Verdict::Take);
    let retry = errand(&depot, Kind::HeartRate, span, ErrandWhy::Retry);
    let asked = depot.outbox.ask_errand(retry).await.unwrap();
    Loop::start(cloud.clone(), &depot.outbox).idle().await;
    let ended = depot.outbox.errand(asked.key).await.unwrap().unwrap();
    assert_eq!((ended.state, depot.counts().await), (ErrandState::Done, (2_000, 0, 0)));
    assert_eq!(cloud.held(), held);
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_has_lost_is_sent_again_without_what_is_dead() {
    let (depot, cloud, mut uploading, mut held, mut recorder) = with_a_dead_letter().await;
    held.remove(&(Kind::HeartRate, BOOTED.seconds().0 + 777));
    cloud.state().held.clear();
    let whole = Span::blocks(Seq(1), Seq(20));
    let asked = depot.outbox.ask_errand(errand(&depot, Kind::HeartRate, whole, ErrandWhy::Repair)).await;
    let asked = asked.unwrap();
    uploading.idle_again().await;
    let ended = depot.outbox.errand(asked.key).await.unwrap().unwrap();
    assert_eq!((ended.state, depot.counts().await), (ErrandState::Done, (1_999, 1, 0)));
    assert_eq!((cloud.held(), depot.dead().await.len()), (held, 1));

    let ahead = Span::blocks(Seq(1), Seq(21));
    recorder.record(Stream::HEART_RATE, sample(2_000_000, 60));
    depot.append(recorder.take()).await;
    let error = depot.outbox.ask_errand(errand(&depot, Kind::HeartRate, ahead, ErrandWhy::Repair)).await;
    assert!(matches!(error.unwrap_err(), OutboxError::NotPast { .. }));
}

/// Forty of sixty samples are dead, so half of the span is as much as all of it.
#[tokio::test(start_paused = true)]
async fn a_repair_with_holes_that_is_refused_is_narrowed_down_all_the_same() {
    let second = |row: i64| BOOTED.seconds().0 + row;
    let refusing = move |bad: std::ops::Range<i64>| {
        move |parcel: &Parcel| {
            assert!(parcel.earlier < 1_000, "it is sent again and again");
            let is_bad = |row: &Reading| (second(bad.start)..second(bad.end)).contains(&row.at.0);
            if parcel.rows.iter().any(is_bad) { Verdict::Refuse(answer(422, "no")) } else { Verdict::Take }
        }
    };
    let heart: Vec<_> = (0..60).map(|second| sample(second * 1_000, 60)).collect();
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &heart);
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::judging(refusing(10..50));
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;
    assert_eq!(depot.counts().await, (20, 40, 0));

    cloud.judge(refusing(55..56));
    let whole = errand(&depot, Kind::HeartRate, Span::blocks(Seq(1), Seq(1)), ErrandWhy::Repair);
    let asked = depot.outbox.ask_errand(whole).await.unwrap();
    uploading.idle_again().await;
    let ended = depot.outbox.errand(asked.key).await.unwrap().unwrap();
    assert_eq!((ended.state, depot.counts().await), (ErrandState::GivenUp, (19, 41, 0)));
}

#[tokio::test(start_paused = true)]
async fn the_beats_around_a_retried_one_stay() {
    let pulse: Vec<_> = (0..40_u64).map(|beat| sample(beat * 400, if beat == 0 { 0 } else { 400 })).collect();
    let (mut recorder, mut expected) = (Recorder::sealing_at(6), Held::new());
    recorder.record_all(Stream::BEATS, &pulse);
    beats(&mut expected, BOOTED, &pulse);
    let depot = Depot::holding(&mut recorder).await;
    // Beat 21, at 8.4 s, stands between two of the same second.
    let bad = hex::encode(8_400_u32.to_le_bytes());
    let cloud = MemoryCloud::judging(move |parcel| {
        let is_bad = parcel.rows.iter().any(|row| row.value.to_string().contains(&bad));
        if is_bad { Verdict::Refuse(answer(422, "no beat")) } else { Verdict::Take }
    });
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;
    let DeadRow { seq, samples, .. } = depot.outbox.dead_letters(9).await.unwrap()[0];
    assert_eq!((seq, samples), (Seq(4), 1));

    cloud.judge(|_| Verdict::Take);
    let span = Span::sample(Position { seq, sample: 3 });
    depot.outbox.ask_errand(errand(&depot, Kind::HeartBeat, span, ErrandWhy::Retry)).await.unwrap();
    uploading.idle_again().await;
    assert_eq!(cloud.held(), expected);
    assert_eq!(depot.counts().await, (40, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn neither_errands_nor_new_data_wait_for_the_other() {
    let (depot, cloud, uploading, _, mut recorder) = with_a_dead_letter().await;
    uploading.stop().await;
    let more: Vec<_> = (2_000..4_000).map(|second| sample(second * 1_000, 80)).collect();
    recorder.record_all(Stream::HEART_RATE, &more);
    depot.append(recorder.take()).await;
    let whole = Span::blocks(Seq(1), Seq(20));
    depot.outbox.ask_errand(errand(&depot, Kind::HeartRate, whole, ErrandWhy::Repair)).await.unwrap();
    let sent = cloud.parcels().len();
    let config = nowbridge::upload::UploaderConfig { max_samples: 500, ..crate::support::upload::config() };
    Loop::start_with(config, cloud.clone(), &depot.outbox).idle().await;
    let new = BOOTED.seconds().0 + 2_000;
    let turns: Vec<bool> = cloud.parcels()[sent..].iter().map(|parcel| parcel.rows[0].at.0 >= new).collect();
    assert_eq!(turns, [true, false].repeat(4));
}
