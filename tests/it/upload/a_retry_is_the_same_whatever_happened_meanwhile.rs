//! A batch that was written down is sent again with the same bytes under the same key: also if what lies around it was let go, freed or
//! followed by more since, and the daemon was started anew.

use std::time::Duration;

use nowbridge::measurement::Kind;
use nowbridge::outbox::{DeadLetter, Entries, ErrandWhy, NewBatch, NewErrand, Position, Section, Span};
use nowbridge::wire::bridge::{Sample, Seq, Stream};

use crate::support::memory_cloud::{MemoryCloud, Verdict};
use crate::support::outbox::receipt;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, beats, sample, sink};

/// Beats that share seconds, each in a block of its own.
const PULSE: [(u64, i32); 8] = [
    (9_300, 0),
    (10_050, 750),
    (10_350, 300),
    (10_650, 300),
    (10_950, 300),
    (11_400, 450),
    (11_700, 300),
    (12_300, 600),
];

fn pulse() -> Vec<Sample> {
    PULSE.map(|(at_ms, interval)| sample(at_ms, interval)).to_vec()
}

fn span(first: u32, last: u32) -> Span {
    Span::blocks(Seq(first), Seq(last))
}

fn of_beats(depot: &Depot, span: Span) -> NewBatch {
    NewBatch {
        sink: sink(),
        log: depot.log.key,
        kind: Kind::HeartBeat,
        span,
        errand: None,
        anchor_horizon: None,
        rows: 1,
        csv_sha256: [0; 32],
    }
}

fn errand(depot: &Depot, span: Span, why: ErrandWhy) -> NewErrand {
    NewErrand { sink: sink(), log: depot.log.key, kind: Kind::HeartBeat, span, why }
}

/// The states of all batches, oldest first.
async fn states(depot: &Depot) -> Vec<String> {
    let Entries::Batches(rows) = depot.outbox.entries(Section::Batches, 99).await.unwrap() else { panic!() };
    rows.iter().rev().map(|row| row.state.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn although_what_was_dead_beside_it_has_arrived_and_the_rest_was_freed() {
    let mut recorder = Recorder::sealing_at(1);
    recorder.record_all(Stream::BEATS, &pulse());
    let depot = Depot::holding(&mut recorder).await;
    let sent = depot.outbox.persist_batch(of_beats(&depot, span(1, 2))).await.unwrap();
    depot.outbox.settle(sent.key, receipt()).await.unwrap();
    let refused = depot.outbox.persist_batch(of_beats(&depot, span(3, 3))).await.unwrap();
    let letter = DeadLetter { reason: "refused".to_owned(), status: Some(422), response: None };
    depot.outbox.dead_letter(refused.key, letter).await.unwrap();
    let cloud = MemoryCloud::judging(|_| Verdict::Lose);
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.holding().await;
    uploading.stop().await;
    let first = cloud.parcels().remove(0);
    assert!(format!("{:?}", first.rows[0]).contains("10"), "{first:?}");

    // The letter is taken after all, behind our back; what lies before is freed as far as it may be, and farther.
    let letter = Span::sample(Position { seq: Seq(3), sample: 0 });
    let retry = depot.outbox.ask_errand(errand(&depot, letter, ErrandWhy::Retry)).await.unwrap();
    let again = NewBatch { errand: Some(retry.key), ..of_beats(&depot, letter) };
    let again = depot.outbox.persist_batch(again).await.unwrap();
    depot.outbox.settle(again.key, receipt()).await.unwrap();
    tokio::time::advance(Duration::from_hours(24 * 30)).await;
    depot.outbox.tidy().await.unwrap();
    depot.forget(Seq(2));

    let depot = depot.reopened().await;
    cloud.judge(|_| Verdict::Take);
    Loop::start(cloud.clone(), &depot.outbox).idle().await;
    let last = cloud.parcels().pop().unwrap();
    assert_eq!((last.key, last.zip), (first.key, first.zip));
    assert_eq!(states(&depot).await, ["sent", "dead", "sent", "sent"]);
}

#[tokio::test(start_paused = true)]
async fn and_what_has_come_behind_it_waits_until_it_is_through() {
    let mut recorder = Recorder::sealing_at(1);
    let (pulse, mut held) = (pulse(), Held::new());
    recorder.record_all(Stream::BEATS, &pulse[..6]);
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.idle().await;
    uploading.stop().await;

    cloud.state().held.clear();
    cloud.judge(|_| Verdict::Lose);
    depot.outbox.ask_errand(errand(&depot, span(1, 6), ErrandWhy::Repair)).await.unwrap();
    let mut uploading = Loop::start(cloud.clone(), &depot.outbox);
    uploading.holding().await;
    uploading.stop().await;
    let first = cloud.parcels().pop().unwrap();

    // Another beat of the last second arrives before the repair is through: it must neither change that nor be taken away by it.
    recorder.record_all(Stream::BEATS, &pulse[6..]);
    depot.append(recorder.take()).await;
    let depot = depot.reopened().await;
    cloud.judge(|_| Verdict::Take);
    Loop::start(cloud.clone(), &depot.outbox).idle().await;
    let second = cloud.parcels().into_iter().nth(2).unwrap();
    assert_eq!((second.key, second.zip), (first.key, first.zip));
    beats(&mut held, BOOTED, &pulse);
    assert_eq!(cloud.held(), held);
}
