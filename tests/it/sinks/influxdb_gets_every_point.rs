//! InfluxDB over real HTTP: a server that takes the line protocol at its word.

use std::time::Duration;

use axum::http::StatusCode;
use nowbridge::clock::Clock;
use nowbridge::cloud::Timeouts;
use nowbridge::config::{InfluxConfig, SecretSource, SinkConfig};
use nowbridge::measurement::Kind;
use nowbridge::upload::sinks::Influx;
use nowbridge::upload::{Failure, Parcel, Receiver, Rows, Table, UploaderConfig, Verdict};
use nowbridge::wire::bridge::{Sample, Stream};
use uuid::Uuid;

use crate::support::influx::{Answer, Influxdb};
use crate::support::outbox::WATCH;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, beats, config, sample, values};

fn to(db: &Influxdb) -> Influx {
    let write = format!("{}/api/v2/write?org=home&bucket=b&precision=s", db.url).parse().unwrap();
    let token = Some(SecretSource::file("sink.influxdb.token_file", db.token_file.path()));
    let config = InfluxConfig { write, token, sink: SinkConfig::default() };
    Influx::new(&config, Timeouts::default(), Clock::System).unwrap()
}

fn looping() -> UploaderConfig {
    UploaderConfig { max_samples: 500, ..config() }
}

/// A parcel of one reading.
fn parcel() -> Parcel {
    let kind = Kind::HeartRate;
    let readings =
        nowbridge::measurement::csv::read(kind, &b"datetime,value,quality_indicator\n1672531200,60,4\n"[..]);
    let rows = Rows { readings: readings.unwrap(), samples: 1, folded: 0 };
    Parcel { device: WATCH, synthetic: false, key: Uuid::nil(), table: Table::new(kind, rows).unwrap() }
}

async fn refused(db: &Influxdb, answer: Answer) -> Failure {
    db.answer(answer);
    to(db).deliver(&parcel()).await.unwrap_err()
}

#[tokio::test]
async fn once_with_its_type_and_in_its_second() {
    let (mut recorder, mut expected) = (Recorder::new(), Held::new());
    let heart: Vec<Sample> =
        (0..3_000).map(|second| sample(second * 1_000, 60 + second as i32 % 40)).collect();
    let warm: Vec<Sample> = (0..90).map(|second| sample(second * 60_000, 3_600 + second as i32)).collect();
    let beating: Vec<Sample> =
        (0..1_000).map(|beat| sample(beat * 800, if beat == 0 { 0 } else { 800 })).collect();
    recorder.record_all(Stream::HEART_RATE, &heart);
    recorder.record_all(Stream::TEMPERATURE, &warm);
    recorder.record_all(Stream::BEATS, &beating);
    values(&mut expected, Kind::HeartRate, BOOTED, &heart);
    values(&mut expected, Kind::Temperature, BOOTED, &warm);
    beats(&mut expected, BOOTED, &beating);
    let depot = Depot::holding(&mut recorder).await;
    let db = Influxdb::start().await;
    let status = Loop::to(looping(), to(&db), &depot.outbox).idle().await;
    let held = db.held(WATCH);
    let wrong = held.iter().find(|(at, row)| expected.get(at) != Some(row));
    assert_eq!((held.len(), wrong, depot.waiting().await), (expected.len(), None, 0));
    assert!(status.batches >= 8, "{status:?}");
    let receipts = depot.outbox.receipts(1).await.unwrap();
    assert_eq!(receipts[0].status, 204);
}

#[tokio::test]
async fn and_each_answer_means_what_it_says() {
    let db = Influxdb::start().await;
    let json = |status: u16, body: &str| Answer::new(StatusCode::from_u16(status).unwrap(), body);
    for (answer, verdict, wanted) in [
        (
            json(401, r#"{"code":"unauthorized","message":"unauthorized access"}"#),
            Verdict::Misdirected,
            "401: unauthorized access (check that sink.influxdb.token_file",
        ),
        (json(403, "{}"), Verdict::Misdirected, "may write to the bucket"),
        (
            json(404, r#"{"message":"bucket \"b\" not found"}"#),
            Verdict::Misdirected,
            "bucket \"b\" not found",
        ),
        (json(400, r#"{"error":"partial write: dropped=1"}"#), Verdict::Rejected, "partial write: dropped=1"),
        (json(422, "{}"), Verdict::Rejected, "422"),
        (json(413, "{}"), Verdict::TooLarge, "413"),
        (json(500, "{}"), Verdict::Later, "500"),
        (
            json(200, "<!DOCTYPE html><title>Welcome</title>"),
            Verdict::Misdirected,
            "is this where it is written to?",
        ),
        (json(400, "<html><title>Sign in</title></html>"), Verdict::Misdirected, "a web page, not InfluxDB"),
    ] {
        let failure = refused(&db, answer).await;
        assert_eq!(failure.verdict, verdict, "{failure}");
        assert!(failure.detail.contains(wanted) && failure.detail.contains(&db.url), "{failure}");
    }
    let busy = Answer::new(StatusCode::TOO_MANY_REQUESTS, "{}").with("retry-after", "17");
    let failure = refused(&db, busy).await;
    assert_eq!((failure.verdict, failure.retry_after), (Verdict::Later, Some(Duration::from_secs(17))));
    let moved =
        Answer::new(StatusCode::PERMANENT_REDIRECT, "").with("location", "http://127.0.0.1:1/elsewhere");
    let before = db.asked();
    let failure = refused(&db, moved).await;
    assert_eq!((failure.verdict, db.asked() - before), (Verdict::Misdirected, 1));
    assert!(failure.detail.contains("http://127.0.0.1:1/elsewhere, which is not followed"), "{failure}");
}

#[tokio::test]
async fn and_a_token_that_is_put_right_needs_no_restart() {
    let db = Influxdb::start().await;
    let mut influx = to(&db);
    let right = std::fs::read(db.token_file.path()).unwrap();
    std::fs::write(db.token_file.path(), "canary\n").unwrap();
    let failure = influx.deliver(&parcel()).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Misdirected);
    assert!(!failure.detail.contains("canary"), "{failure}");
    std::fs::remove_file(db.token_file.path()).unwrap();
    let failure = influx.deliver(&parcel()).await.unwrap_err();
    assert!(failure.verdict == Verdict::Misdirected && failure.detail.contains("token_file"), "{failure}");
    std::fs::write(db.token_file.path(), right).unwrap();
    assert!(influx.deliver(&parcel()).await.is_err(), "others can read it now");
    db.guard_token();
    assert_eq!(influx.deliver(&parcel()).await.unwrap().status, 204);
}

#[tokio::test]
async fn and_one_that_is_away_or_silent_is_tried_later() {
    let db = Influxdb::start().await;
    let url = db.url.clone();
    drop(db);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let timeouts = Timeouts { upload: Duration::from_millis(300), ..Timeouts::default() };
    for (at, wanted) in [(url, "cannot be reached"), (silent, "does not answer within 0.3 s")] {
        let write = format!("{at}/write?precision=s").parse().unwrap();
        let config = InfluxConfig { write, token: None, sink: SinkConfig::default() };
        let mut influx = Influx::new(&config, timeouts, Clock::System).unwrap();
        let failure = influx.deliver(&parcel()).await.unwrap_err();
        assert_eq!(failure.verdict, Verdict::Later);
        assert!(failure.detail.contains(wanted), "{failure}");
    }
}
