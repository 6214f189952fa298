//! The reckoning: what the watch gave away against what the cloud has, value by value.

use std::collections::{BTreeMap, BTreeSet};

use nowbridge::clock::Clock;
use nowbridge::cloud::{Api, Client, ClientConfig, Credentials, MeasurementQuery, Sort};
use nowbridge::measurement::{Day, Kind, Reading, UtcMicros, Value, ValueType};
use nowbridge::wire::bridge::{RawBlock, Sample, Stream};

use super::ledger::Ledger;
use super::remains::Remains;
use super::town::Town;
use crate::support::daemon::{EMAIL, PASSWORD, Seconds};

/// Everything that the watch gave away is in the cloud exactly once, and was sent under one key.
pub async fn assert_everything_arrived_once(town: &Town, ledger: &Ledger, remains: &Remains) -> String {
    assert_eq!(
        ledger.given.keys().next_back(),
        Some(&ledger.acked),
        "something was given and never acknowledged"
    );
    assert_eq!(ledger.given.len(), ledger.acked as usize, "the watch skipped a number");
    assert_eq!((remains.gaps, remains.dead), (0, 0), "a sound watch has no gaps and no dead letters");

    let client = client(&town.url).await;
    let (mut values, mut beats) = (0, 0);
    for (stream, samples) in samples(ledger) {
        let Some(kind) = stream.kind() else { continue };
        let readings = readings(&client, kind, town.hours).await;
        if kind.value_type() == ValueType::Frame {
            beats += assert_beats(&samples, &readings);
            continue;
        }
        let expected = expected(stream, kind, &samples, ledger.boot_utc_us.unwrap());
        let row = |reading: Reading| (reading.at, (reading.value, reading.quality));
        let have: Seconds = readings.into_iter().map(row).collect();
        let lost = expected.iter().find(|(at, value)| have.get(at) != Some(value));
        assert_eq!((have.len(), lost), (expected.len(), None), "{kind}");
        values += have.len();
    }
    let batches = assert_sent_once(&town.cloud_keys(), remains);
    format!("{values} values and {beats} beats arrived in {batches} uploads")
}

/// The samples of every block, in the order of their numbers.
fn samples(ledger: &Ledger) -> BTreeMap<Stream, Vec<Sample>> {
    let mut samples: BTreeMap<Stream, Vec<Sample>> = BTreeMap::new();
    for block in ledger.given.values() {
        let block = RawBlock::parse(block.clone()).unwrap();
        if block.header().stream != Stream::ANCHORS {
            samples.entry(block.header().stream).or_default().extend(block.samples().unwrap());
        }
    }
    samples
}

fn expected(stream: Stream, kind: Kind, samples: &[Sample], boot_utc_us: i64) -> Seconds {
    let scale = stream.info().map_or(1, |info| info.scale);
    let row = |sample: &Sample| {
        let at = UtcMicros(boot_utc_us + sample.at_ms.cast_signed() * 1_000).seconds();
        let value = match kind.value_type() {
            ValueType::Decimal => Value::Decimal(f64::from(sample.value) / f64::from(scale)),
            _ => Value::Integer(sample.value.into()),
        };
        (at, (value, kind.has_quality().then_some(sample.quality)))
    };
    samples.iter().map(row).collect()
}

/// A beat carries its own time since boot, so the list is compared as it is.
fn assert_beats(samples: &[Sample], readings: &[Reading]) -> usize {
    let arrived = readings.iter().flat_map(|reading| match &reading.value {
        Value::Beats(frame) => frame.beats().iter().map(|beat| beat.at_ms).collect::<Vec<_>>(),
        other => panic!("not a frame: {other:?}"),
    });
    let arrived: Vec<u32> = arrived.collect();
    let given: Vec<u32> = samples.iter().map(|sample| sample.at_ms as u32).collect();
    let differs = given.iter().zip(&arrived).position(|(given, arrived)| given != arrived);
    assert_eq!((arrived.len(), differs), (given.len(), None), "beats");
    given.len()
}

/// What the cloud has kept was written down before, under that key and no other, and nothing else was sent.
fn assert_sent_once(cloud_keys: &[String], remains: &Remains) -> usize {
    let (mut sent, mut ends) = (BTreeSet::new(), BTreeMap::new());
    for batch in remains.batches.iter().filter(|batch| batch.state == "sent") {
        assert!(sent.insert(&batch.key), "a key was used twice: {batch:?}");
        let (first, last, skip, upto) = batch.range;
        let end = ends.insert(batch.kind, (last, upto)).unwrap_or_default();
        assert!(
            (first, skip) >= (end.0, end.1.unwrap_or(u32::MAX)),
            "blocks were sent twice: {batch:?}, after {end:?}"
        );
    }
    let kept: BTreeSet<&String> = cloud_keys.iter().collect();
    assert_eq!(kept, sent, "the cloud and the outbox disagree on what was sent");
    let other = remains.batches.iter().find(|batch| batch.state != "sent");
    assert_eq!(other, None, "a batch that was not sent");
    sent.len()
}

async fn client(url: &str) -> Client {
    let client = Client::new(ClientConfig::new(url.parse().unwrap()), Clock::System).unwrap();
    client.login(&Credentials { email: EMAIL.to_owned(), password: PASSWORD.into() }).await.unwrap();
    client
}

async fn readings(client: &Client, kind: Kind, hours: u64) -> Vec<Reading> {
    let today = Clock::System.now().seconds().day();
    let days = i32::try_from(hours / 24 + 2).unwrap();
    let from = Day::from_number(today.number() - days);
    let query = MeasurementQuery { kind, from, to: today.next(), sort: Sort::Ascending };
    let days = client.measurements(query).await.unwrap();
    days.into_iter().flat_map(|day| day.readings).collect()
}
