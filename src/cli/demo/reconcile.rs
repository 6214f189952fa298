//! The proof: what the watch holds, what the outbox holds, what was confirmed, and what the cloud gives back.

use std::collections::BTreeMap;

use anyhow::Context;

use super::expected::{self, Values};
use super::scene::Scene;
use crate::clock::Clock;
use crate::cloud::{Api, Client, MeasurementQuery, Sort};
use crate::daemon::Cloud;
use crate::measurement::{AnchorPoint, Kind, Quality, Timeline, UnixSeconds, Value};
use crate::outbox::{Outbox, ReceiptRow, StreamSummary};
use crate::sim::watch::WatchLedger;
use crate::upload;
use crate::wire::bridge::{RawBlock, Seq, Stream};

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindRow {
    /// The kind.
    pub kind: Kind,
    /// Samples in the watch's flash.
    pub on_watch: u64,
    /// Samples stored.
    pub in_outbox: u64,
    /// Samples that the cloud confirmed.
    pub uploaded: u64,
    /// Seconds that must have a value in the cloud.
    pub seconds: u64,
    /// Seconds that have one.
    pub in_cloud: u64,
    /// Seconds whose value and quality are right.
    pub equal: u64,
}

/// The outcome.
#[derive(Clone, Debug)]
pub struct Reconciliation {
    /// A row for each kind that anybody holds.
    pub rows: Vec<KindRow>,
    /// The first thing that differs; `None` is what we want.
    pub first_difference: Option<String>,
    /// The worst error of a dated sample against the simulator's true time, ms.
    pub worst_clock_error_ms: u64,
    /// Blocks on the watch, and their bytes.
    pub blocks: (u64, u64),
    /// Every receipt.
    pub receipts: Vec<ReceiptRow>,
    /// Sessions it took.
    pub sessions: u64,
}

/// Compares everything. The daemon must have stopped.
pub async fn reconcile(scene: &Scene) -> anyhow::Result<Reconciliation> {
    let ledger = scene.watch.with(|watch| watch.ledger());
    let outbox = Outbox::open(&scene.config.paths.state_dir, Clock::System).await?;
    let client = Cloud::client(&scene.config, Clock::System)?.context("the demo has a cloud")?;
    let stored = stored_blocks(&outbox).await?;
    let timeline = timeline(&outbox).await?;
    let summary = outbox.summary(&upload::nowatch()).await?;

    let mut first_difference = compare_blocks(&ledger, &stored);
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        let Some(stream) = Stream::of_kind(kind) else { continue };
        let expected = expected::values(kind, &ledger, &timeline);
        let found = read_back(&client, kind, &expected).await?;
        let row = row(kind, stream, &ledger, &summary.streams, &expected, &found);
        first_difference = first_difference.or_else(|| difference(&row, &expected, &found));
        if (row.on_watch, row.in_outbox, row.in_cloud) != (0, 0, 0) {
            rows.push(row);
        }
    }
    let reconciliation = Reconciliation {
        rows,
        first_difference,
        worst_clock_error_ms: worst_clock_error_ms(scene, &ledger, &timeline),
        blocks: (stored.len() as u64, stored.values().map(|block| block.bytes().len() as u64).sum()),
        receipts: outbox.receipts(u32::MAX).await?,
        sessions: outbox.sessions(u32::MAX).await?.len() as u64,
    };
    client.settle().await;
    outbox.close().await?;
    Ok(reconciliation)
}

async fn stored_blocks(outbox: &Outbox) -> anyhow::Result<BTreeMap<Seq, RawBlock>> {
    let mut stored = BTreeMap::new();
    for log in outbox.logs().await? {
        for info in crate::wire::bridge::STREAMS {
            for block in outbox.blocks(log.key, info.stream, Seq(0)..=Seq(u32::MAX), u32::MAX).await? {
                let raw = RawBlock::parse(block.body).with_context(|| format!("block {}", block.seq))?;
                anyhow::ensure!(
                    stored.insert(block.seq, raw).is_none(),
                    "block {} is stored twice",
                    block.seq
                );
            }
        }
    }
    Ok(stored)
}

async fn timeline(outbox: &Outbox) -> anyhow::Result<Timeline> {
    let mut points = Vec::new();
    for log in outbox.logs().await? {
        points.extend(outbox.anchors(log.key, None).await?.iter().map(|(_, anchor)| AnchorPoint {
            boot: anchor.boot.0,
            ticks_us: anchor.ticks_us,
            utc: anchor.utc,
        }));
    }
    Ok(Timeline::new(points))
}

/// Every block on the watch must be stored, and nothing else.
fn compare_blocks(ledger: &WatchLedger, stored: &BTreeMap<Seq, RawBlock>) -> Option<String> {
    let missing = ledger.blocks.iter().find(|seq| !stored.contains_key(seq));
    let extra = stored.keys().find(|seq| ledger.blocks.binary_search(seq).is_err());
    missing
        .map(|seq| format!("block {seq} is on the watch but not in the outbox"))
        .or_else(|| extra.map(|seq| format!("block {seq} is in the outbox but not on the watch")))
}

/// What the cloud holds in the days concerned, one day a request.
async fn read_back(client: &Client, kind: Kind, expected: &Values) -> anyhow::Result<Values> {
    let (Some((first, _)), Some((last, _))) = (expected.first_key_value(), expected.last_key_value()) else {
        return Ok(Values::new());
    };
    let mut found = Values::new();
    let mut day = first.day();
    while day <= last.day() {
        let query = MeasurementQuery { kind, from: day, to: day, sort: Sort::Ascending };
        for held in client.measurements(query).await? {
            found.extend(
                held.readings.into_iter().map(|reading| (reading.at, (reading.value, reading.quality))),
            );
        }
        day = day.next();
    }
    Ok(found)
}

fn row(
    kind: Kind,
    stream: Stream,
    ledger: &WatchLedger,
    stored: &[StreamSummary],
    expected: &Values,
    found: &Values,
) -> KindRow {
    let summary = stored.iter().find(|row| row.kind == Some(kind));
    KindRow {
        kind,
        on_watch: ledger.samples.get(&stream).map_or(0, Vec::len) as u64,
        in_outbox: summary.map_or(0, |row| row.samples),
        uploaded: summary.map_or(0, |row| row.uploaded),
        seconds: expected.len() as u64,
        in_cloud: found.len() as u64,
        equal: expected.iter().filter(|(second, value)| found.get(second) == Some(value)).count() as u64,
    }
}

fn difference(row: &KindRow, expected: &Values, found: &Values) -> Option<String> {
    let kind = row.kind;
    if row.on_watch != row.in_outbox {
        return Some(format!(
            "{kind}: {} samples on the watch, {} in the outbox",
            row.on_watch, row.in_outbox
        ));
    }
    if row.in_outbox != row.uploaded {
        return Some(format!("{kind}: {} samples in the outbox, {} confirmed", row.in_outbox, row.uploaded));
    }
    let wrong = expected.iter().find(|(second, value)| found.get(second) != Some(value));
    if let Some((second, value)) = wrong {
        let held = found.get(second).map_or_else(|| "nothing".to_owned(), told);
        return Some(format!(
            "{kind} at {}: the watch has {}, the cloud {held}",
            clock_time(*second),
            told(value)
        ));
    }
    let extra = found.iter().find(|(second, _)| !expected.contains_key(second))?;
    Some(format!("{kind} at {}: the cloud has {}, the watch nothing", clock_time(*extra.0), told(extra.1)))
}

fn told((value, quality): &(Value, Option<Quality>)) -> String {
    quality.map_or_else(|| value.to_string(), |quality| format!("{value} (quality {quality})"))
}

fn clock_time(second: UnixSeconds) -> String {
    crate::measurement::UtcMicros(second.0.saturating_mul(1_000_000)).to_string()
}

/// How far the dates are from the truth, which only a simulator knows.
fn worst_clock_error_ms(scene: &Scene, ledger: &WatchLedger, timeline: &Timeline) -> u64 {
    scene.watch.with(|watch| {
        let errors = ledger.samples.values().flatten().filter_map(|&(boot, sample)| {
            let truth = watch.true_time(boot, sample.at_ms.saturating_mul(1_000))?;
            Some(expected::date(timeline, boot, sample)?.since(truth).unsigned_abs() / 1_000)
        });
        errors.max().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(entries: &[(i64, i64, u8)]) -> Values {
        let entry = |&(second, value, quality): &(i64, i64, u8)| {
            (UnixSeconds(second), (Value::Integer(value), Some(quality.try_into().unwrap())))
        };
        entries.iter().map(entry).collect()
    }

    fn told(expected: &[(i64, i64, u8)], found: &[(i64, i64, u8)]) -> Option<String> {
        let (expected, found) = (values(expected), values(found));
        let held = expected.len() as u64;
        let row = KindRow {
            kind: Kind::HeartRate,
            on_watch: held,
            in_outbox: held,
            uploaded: held,
            seconds: held,
            in_cloud: found.len() as u64,
            equal: 0,
        };
        difference(&row, &expected, &found)
    }

    #[test]
    fn the_first_difference_is_named_whatever_it_is() {
        let watch = [(1, 60, 4), (2, 61, 4), (3, 62, 3)];
        assert_eq!(told(&watch, &watch), None);
        let said = |found: &[(i64, i64, u8)]| told(&watch, found).unwrap();
        assert_eq!(
            said(&[(1, 60, 4), (2, 99, 4), (3, 62, 3)]),
            "HEART_RATE at 1970-01-01T00:00:02Z: the watch has 61 (quality 4), the cloud 99 (quality 4)"
        );
        assert!(said(&[(1, 60, 4), (2, 61, 4), (3, 62, 4)]).ends_with("the cloud 62 (quality 4)"));
        assert!(said(&watch[..2]).ends_with("the cloud nothing"));
        assert!(said(&[watch[0], watch[1], watch[2], (9, 1, 1)]).ends_with("the watch nothing"));
    }

    #[test]
    fn a_block_too_few_or_too_many_is_named() {
        use crate::wire::bridge::{Boot, Sample, seal};
        let sample = Sample { at_ms: 0, value: 60, quality: Quality::BEST };
        let block = |seq: u32| {
            let sealed = seal(Seq(seq), Boot(1), Stream::HEART_RATE, &[sample]);
            (Seq(seq), RawBlock::parse(sealed).unwrap())
        };
        let mut watch = crate::sim::watch::SimWatch::power_on(
            crate::sim::watch::Flash::blank(4),
            crate::sim::watch::WatchOptions::default(),
        );
        watch.record(Stream::HEART_RATE, sample);
        watch.seal_all();
        let ledger = watch.ledger();
        let blocks = |numbers: &[u32]| numbers.iter().map(|&seq| block(seq)).collect::<BTreeMap<_, _>>();
        assert_eq!(compare_blocks(&ledger, &blocks(&[1])), None);
        assert!(compare_blocks(&ledger, &blocks(&[])).unwrap().contains("not in the outbox"));
        assert!(compare_blocks(&ledger, &blocks(&[1, 2])).unwrap().contains("not on the watch"));
    }
}
