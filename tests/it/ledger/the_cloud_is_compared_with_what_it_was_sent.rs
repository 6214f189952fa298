//! What the cloud has lost or changed is found to the row, and asked to be sent again to the block; what it has besides is told.

use std::collections::BTreeMap;

use nowbridge::cloud::{Api, Client, Upload};
use nowbridge::measurement::{Day, Kind};
use nowbridge::outbox::Outbox;
use nowbridge::upload::{DayCheck, Verifier, VerifyOptions};
use nowbridge::wire::bridge::{Sample, Stream};

use crate::support::private_cloud::{table, zipped};
use crate::support::served_cloud::ServedCloud;
use crate::support::upload::{BOOTED, Depot, Loop, Recorder, sample, sink};

const MIDNIGHT_MS: u64 = 86_400_000;

/// Two hours of heart rate before and after a midnight, beats around it, two days of temperature.
fn around_midnight() -> Recorder {
    let mut recorder = Recorder::new();
    let seconds = MIDNIGHT_MS / 1_000 - 7_200..MIDNIGHT_MS / 1_000 + 7_200;
    let heart: Vec<Sample> = seconds.map(|at| sample(at * 1_000 + 300, 50 + (at % 41) as i32)).collect();
    let warm: Vec<Sample> = (0..2_880).map(|at| sample(at * 60_000 + 300, 3_300 + at as i32 % 90)).collect();
    let beat = |beat: u64| sample(MIDNIGHT_MS - 600_000 + beat * 650, if beat == 0 { 0 } else { 650 });
    let beats: Vec<Sample> = (0..2_000).map(beat).collect();
    recorder.record_all(Stream::HEART_RATE, &heart);
    recorder.record_all(Stream::TEMPERATURE, &warm);
    recorder.record_all(Stream::BEATS, &beats);
    recorder
}

async fn checked(api: Client, outbox: &Outbox, repair: bool) -> BTreeMap<(Kind, i32), DayCheck> {
    let from = BOOTED.seconds().day();
    let options = VerifyOptions { sink: sink(), from, to: from.next().next(), repair };
    let mut verifier = Verifier::begin(api, outbox.clone(), options).await.unwrap();
    let mut all = BTreeMap::new();
    while let Some(check) = verifier.next().await.unwrap() {
        all.insert((check.kind, check.day.number() - from.number()), check);
    }
    let end = verifier.end();
    let different = all.values().filter(|check| !check.is_equal()).count() as u64;
    assert_eq!((end.compared, end.different), (all.len() as u64, different));
    all
}

fn outcome(check: &DayCheck) -> (u64, u64, u64) {
    (check.missing, check.changed, check.extra)
}

async fn put(client: &Client, kind: Kind, rows: &str) {
    let (zip, file_name) = (zipped(&table(rows)).into(), "by-hand.zip".to_owned());
    let idempotency_key = format!("by-hand-{kind}");
    client.upload(Upload { kind, file_name, zip, idempotency_key }).await.unwrap();
}

#[tokio::test]
async fn and_what_is_gone_is_asked_for_again() {
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    let depot = Depot::holding(&mut around_midnight()).await;
    let mut upload = Loop::start(client.clone(), &depot.outbox);
    upload.idle().await;
    upload.stop().await;

    let equal = checked(client.clone(), &depot.outbox, true).await;
    let kinds = [Kind::HeartBeat, Kind::HeartRate, Kind::Temperature];
    let places: Vec<_> = kinds.iter().flat_map(|kind| [(*kind, 0), (*kind, 1)]).collect();
    assert_eq!(equal.keys().copied().collect::<Vec<_>>(), places);
    for (place, check) in &equal {
        assert_eq!(outcome(check), (0, 0, 0), "{place:?}");
        assert_eq!((check.sent, &check.sent_sha256), (check.cloud, &check.cloud_sha256), "{place:?}");
        assert_eq!(check.repairs, 0);
    }
    assert_eq!(equal[&(Kind::HeartRate, 0)].sent, 7_200);

    // Behind our back: a day is deleted, a value changed, and somebody else's row put in.
    let first: Day = BOOTED.seconds().day();
    client.delete_measurements(Kind::HeartRate, first.next(), first.next()).await.unwrap();
    let noon = first.at(43_200).0;
    put(&client, Kind::Temperature, &format!("{noon},12.5,1\n")).await;
    put(&client, Kind::HeartRate, &format!("{noon},66,4\n")).await;
    let found = checked(client.clone(), &depot.outbox, false).await;
    assert_eq!(outcome(&found[&(Kind::HeartRate, 1)]), (7_200, 0, 0));
    assert_eq!(outcome(&found[&(Kind::Temperature, 0)]), (0, 1, 0));
    assert_eq!(outcome(&found[&(Kind::HeartRate, 0)]), (0, 0, 1));
    assert!(found[&(Kind::HeartRate, 0)].is_equal(), "what is only there is no fault");
    assert_eq!(found.values().filter(|check| !check.is_equal()).count(), 2);
    assert_eq!(found.values().map(|check| check.repairs).sum::<u64>(), 0);

    // Asked twice it is asked for once.
    checked(client.clone(), &depot.outbox, true).await;
    let repaired = checked(client, &depot.outbox, true).await;
    assert_eq!(repaired[&(Kind::HeartRate, 1)].repairs, 1, "one range");
    let errands = errands(depot).await;
    assert_eq!(errands.len(), 2, "{errands:?}");
    let temperature = errands.iter().find(|(kind, ..)| *kind == Kind::Temperature.code()).unwrap();
    assert_eq!(temperature.1, temperature.2, "one block has that minute");
    let heart = errands.iter().find(|(kind, ..)| *kind == Kind::HeartRate.code()).unwrap();
    assert!(heart.1 < heart.2, "all blocks of a day");
}

/// What is asked for: kind, first and last block.
async fn errands(depot: Depot) -> Vec<(u8, u32, u32)> {
    depot.outbox.close().await.unwrap();
    let file = rusqlite::Connection::open(depot.dir.path().join("outbox.db")).unwrap();
    let mut list = file.prepare("SELECT kind, first_seq, last_seq FROM errand WHERE why = 'repair'").unwrap();
    let rows = list.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn and_what_is_not_sent_or_was_refused_is_not_missing() {
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    let mut recorder = Recorder::sealing_at(100);
    let heart = |from: u64| (from..from + 1_000).map(|at| sample(at * 1_000, 60)).collect::<Vec<_>>();
    recorder.record_all(Stream::HEART_RATE, &heart(0));
    let depot = Depot::holding(&mut recorder).await;
    let mut upload = Loop::start(client.clone(), &depot.outbox);
    upload.idle().await;
    upload.stop().await;
    recorder.record_all(Stream::HEART_RATE, &heart(2_000));
    depot.append(recorder.take()).await;
    let found = checked(client.clone(), &depot.outbox, true).await;
    assert_eq!(found.len(), 1);
    assert_eq!(outcome(&found[&(Kind::HeartRate, 0)]), (0, 0, 0));
    assert_eq!(found[&(Kind::HeartRate, 0)].sent, 1_000);

    // The next block is refused for good: it is no longer waiting, and the cloud need not have it.
    let backlog = depot.outbox.backlog(&sink()).await.unwrap();
    let first = backlog[0].unsent_from;
    let batch = nowbridge::outbox::NewBatch {
        sink: sink(),
        log: depot.log.key,
        kind: Kind::HeartRate,
        span: nowbridge::outbox::Span::blocks(first, first),
        errand: None,
        anchor_horizon: None,
        rows: 100,
        csv_sha256: [0; 32],
    };
    let batch = depot.outbox.persist_batch(batch).await.unwrap();
    let letter =
        nowbridge::outbox::DeadLetter { reason: "refused".to_owned(), status: Some(422), response: None };
    depot.outbox.dead_letter(batch.key, letter).await.unwrap();
    let found = checked(client, &depot.outbox, true).await;
    assert_eq!(outcome(&found[&(Kind::HeartRate, 0)]), (0, 0, 0));
}
