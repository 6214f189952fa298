//! What was sent and freed is still compared with the cloud: by its number and its sum.

use std::collections::BTreeMap;
use std::time::Duration;

use nowbridge::cloud::{Api, Client, Upload};
use nowbridge::measurement::Kind;
use nowbridge::outbox::{Limits, Outbox};
use nowbridge::upload::{DayCheck, DayVerdict, Verifier, VerifyOptions};
use nowbridge::wire::bridge::Stream;

use crate::support::outbox::open_limited;
use crate::support::private_cloud::{table, zipped};
use crate::support::served_cloud::ServedCloud;
use crate::support::upload::{BOOTED, Depot, Loop, Recorder, config, sample, sink};

async fn checked(api: &Client, outbox: &Outbox) -> BTreeMap<(Kind, i32), DayCheck> {
    let from = BOOTED.seconds().day();
    let options = VerifyOptions { sink: sink(), from, to: from.next().next(), repair: true };
    let mut verifier = Verifier::begin(api.clone(), outbox.clone(), options).await.unwrap();
    let mut all = BTreeMap::new();
    while let Some(check) = verifier.next().await.unwrap() {
        all.insert((check.kind, check.day.number() - from.number()), check);
    }
    all
}

/// The same outbox, which keeps nothing longer than it must.
async fn freed(depot: Depot) -> (tempfile::TempDir, Outbox) {
    let Depot { dir, outbox, .. } = depot;
    outbox.close().await.unwrap();
    let limits = Limits { keep_sent: Duration::ZERO, ..Limits::default() };
    let outbox = open_limited(dir.path(), limits).await.unwrap();
    assert!(outbox.tidy().await.unwrap().freed > 10);
    (dir, outbox)
}

async fn put(client: &Client, kind: Kind, second: i64, row: &str) {
    let zip = zipped(&table(&format!("{second},{row}\n"))).into();
    let (file_name, idempotency_key) = ("by-hand.zip".to_owned(), format!("by-hand-{kind}-{second}"));
    client.upload(Upload { kind, file_name, zip, idempotency_key }).await.unwrap();
}

fn verdicts(found: &BTreeMap<(Kind, i32), DayCheck>) -> Vec<(Kind, i32, &DayVerdict)> {
    found.iter().map(|((kind, day), check)| (*kind, *day, &check.verdict)).collect()
}

#[tokio::test]
async fn to_the_row_in_number_and_to_the_day_in_what_it_was() {
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    let mut recorder = Recorder::sealing_at(90);
    let around = 86_400 - 3_600..86_400 + 3_600;
    // Twice a second, so that batches end within one.
    let heart: Vec<_> = around.clone().flat_map(|at| [(at, 1), (at, 501)]).collect();
    let heart: Vec<_> = heart.iter().map(|(at, ms)| sample(at * 1_000 + ms, 50 + (at % 40) as i32)).collect();
    recorder.record_all(Stream::HEART_RATE, &heart);
    let warm: Vec<_> =
        around.step_by(60).map(|at| sample(at * 1_000, 3_300 + (at / 60 % 50) as i32)).collect();
    recorder.record_all(Stream::TEMPERATURE, &warm);
    let depot = Depot::holding(&mut recorder).await;
    let odd = nowbridge::upload::UploaderConfig { max_samples: 333, ..config() };
    let mut upload = Loop::start_with(odd, client.clone(), &depot.outbox);
    upload.idle().await;
    upload.stop().await;
    let (_dir, outbox) = freed(depot).await;

    let found = checked(&client, &outbox).await;
    let (heart, warm, same) = (Kind::HeartRate, Kind::Temperature, DayVerdict::Same);
    assert_eq!(verdicts(&found), [(heart, 0, &same), (heart, 1, &same), (warm, 0, &same), (warm, 1, &same)]);
    let first = &found[&(heart, 0)];
    assert_eq!((first.sent, first.freed, first.cloud, first.extra), (3_600, 3_600, 3_600, 0));

    // Behind our back: a day is deleted, a value is changed, and somebody else's row is put in.
    let day = BOOTED.seconds().day();
    client.delete_measurements(heart, day, day).await.unwrap();
    put(&client, warm, day.at(86_340).0, "12.5,1").await;
    put(&client, heart, day.next().at(80_000).0, "66,4").await;
    let found = checked(&client, &outbox).await;
    assert_eq!(found[&(heart, 0)].verdict, DayVerdict::Fewer { rows: 3_600 });
    assert_eq!(found[&(warm, 0)].verdict, DayVerdict::Differs);
    assert!(
        matches!(&found[&(heart, 1)].verdict, DayVerdict::Unsure { because } if because.contains("more rows"))
    );
    assert_eq!(found[&(warm, 1)].verdict, same);
    assert!(found.values().all(|check| check.repairs == 0), "nothing is left that could be sent");
}

#[tokio::test]
async fn although_the_first_second_that_is_left_has_lost_some_of_its_beats() {
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    let mut recorder = Recorder::sealing_at(1);
    // Four beats a second, each a block of its own: the last fifteen stay, and begin within a second.
    let pulse: Vec<_> =
        (0..64).map(|beat| sample(beat * 250 + 100, if beat == 0 { 0 } else { 250 })).collect();
    recorder.record_all(Stream::BEATS, &pulse);
    let depot = Depot::holding(&mut recorder).await;
    let odd = nowbridge::upload::UploaderConfig { max_samples: 7, ..config() };
    let mut upload = Loop::start_with(odd, client.clone(), &depot.outbox);
    upload.idle().await;
    upload.stop().await;
    let (dir, outbox) = freed(depot).await;
    let check = checked(&client, &outbox).await.remove(&(Kind::HeartBeat, 0)).unwrap();
    assert_eq!((check.verdict, check.sent, check.freed, check.changed), (DayVerdict::Same, 16, 12, 0));

    // As if it had been sent by a nowbridge that did not count.
    outbox.clone().close().await.unwrap();
    let file = rusqlite::Connection::open(dir.path().join("outbox.db")).unwrap();
    assert_eq!(file.execute("DELETE FROM sent_day", []).unwrap(), 1);
    drop(file);
    let outbox = open_limited(dir.path(), Limits::default()).await.unwrap();
    let check = checked(&client, &outbox).await.remove(&(Kind::HeartBeat, 0)).unwrap();
    assert!(
        matches!(&check.verdict, DayVerdict::Unsure { because } if because.contains("kept count")),
        "{check:?}"
    );
    assert_eq!((check.changed, check.missing, check.repairs), (0, 0, 0));
}
