//! How fast what is stored becomes what is sent: blocks out of the outbox, samples out of blocks, rows, CSV, hash, zip.
//!
//! `cargo bench --bench drain`. One thing after the other on one core, as the daemon does it. The first figure is the daemon's
//! own upload loop against a cloud that takes everything at once, with every batch and receipt written down; the stages below
//! are the same calls one by one. The yardstick is what nobody can avoid: writing the same rows as CSV and zipping them. A
//! share of a whole is what is to be seen, so the stages must come from one run; criterion would measure each in a run of its
//! own. Medians of several runs.

mod common;

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use nowbridge::clock::Clock;
use nowbridge::cloud::{
    Api, CloudError, DayOfValues, FirmwareOffer, FirmwareQuery, MeasurementQuery, Pass, Upload,
    UploadReceipt, User, UserConsent, UserSettings,
};
use nowbridge::config::Url;
use nowbridge::measurement::{AnchorPoint, Day, Kind, Timeline, UtcMicros, csv};
use nowbridge::outbox::{Log, Outbox};
use nowbridge::sim::watch::SealPolicy;
use nowbridge::sync::{Outcome, Progress, collect};
use nowbridge::upload::{
    Nowatch, Part, Rows, Source, Table, UploadState, UploadStatus, Uploader, UploaderConfig, nowatch,
};
use nowbridge::watch::{Bridge, Driver};
use nowbridge::wire::bridge::{RawBlock, Seq, Stream};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::common::numbers::{Runs, grouped, rate, timed};
use crate::common::shelf::{Shelf, Wire};
use crate::common::week::{self, Load, START};

const DAYS: u32 = 7;
/// The daemon's default.
const MAX_ROWS: u64 = 50_000;
/// Odd, so that there is one in the middle.
const RUNS: usize = 7;

fn main() -> anyhow::Result<()> {
    let load = load()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut looped, mut runs) = (Runs::default(), BTreeMap::new());
    for _ in 0..RUNS {
        let folder = common::scratch()?;
        let took = runtime.block_on(async {
            let (outbox, log) = filled(folder.path(), &load).await?;
            let stages = stages(&outbox, &log).await?;
            for (stage, took) in stages {
                runs.entry(stage).or_insert_with(Runs::default).push(took.as_secs_f64());
            }
            let took = upload_all(&outbox).await?;
            outbox.close().await?;
            anyhow::Ok(took)
        })?;
        looped.push(rate(load.samples, took));
    }
    print(&load, &looped, &runs);
    Ok(())
}

fn load() -> anyhow::Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let week = week::days(DAYS);
    Ok(runtime
        .block_on(async { Load::of(&mut week::watch(&week, SealPolicy::Packed, Clock::simulated(START))) }))
}

/// An outbox into which a session has collected all of it.
async fn filled(dir: &std::path::Path, load: &Load) -> anyhow::Result<(Outbox, Log)> {
    let outbox = Outbox::open(dir, Clock::System).await?;
    let mut bridge = Bridge::open(Wire::to(Shelf::new(load.blocks.clone()))).await?;
    let progress = watch::Sender::new(Progress::default());
    let report = collect(&mut bridge, &outbox, Clock::System, &progress).await;
    ensure!(report.outcome == Outcome::Complete, "the session ended: {}", report.outcome);
    let log = outbox.logs().await?.pop().context("a session opens a log")?;
    Ok((outbox, log))
}

/// Where the time goes. The order is that of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Read,
    Check,
    Rows,
    Csv,
    Hash,
    Zip,
}

type Stages = BTreeMap<Stage, Duration>;

async fn stages(outbox: &Outbox, log: &Log) -> anyhow::Result<Stages> {
    let anchors = outbox.anchors(log.key, None).await?;
    let points = anchors.iter().map(|(_, anchor)| AnchorPoint {
        boot: anchor.boot.0,
        ticks_us: anchor.ticks_us,
        utc: anchor.utc,
    });
    let timeline = Timeline::new(points.collect());
    let mut stages = Stages::new();
    for kind in Kind::ALL {
        let Some(stream) = Stream::of_kind(kind) else { continue };
        let began = Instant::now();
        let stored = outbox.blocks(log.key, stream, Seq(0)..=Seq(u32::MAX), u32::MAX).await?;
        *stages.entry(Stage::Read).or_default() += began.elapsed();
        let (blocks, took) = timed(|| {
            stored.into_iter().map(|block| RawBlock::parse(block.body)).collect::<Result<Vec<_>, _>>()
        });
        *stages.entry(Stage::Check).or_default() += took;
        for batch in batches(&blocks?) {
            make_table(kind, batch, &timeline, &mut stages)?;
        }
    }
    Ok(stages)
}

/// Cuts at so many samples.
fn batches(blocks: &[RawBlock]) -> Vec<&[RawBlock]> {
    let (mut batches, mut rest) = (Vec::new(), blocks);
    while !rest.is_empty() {
        let mut samples = 0;
        let fits = |block: &&RawBlock| {
            samples += u64::from(block.header().n);
            samples <= MAX_ROWS
        };
        let (batch, others) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        batches.push(batch);
        rest = others;
    }
    batches
}

fn make_table(
    kind: Kind,
    blocks: &[RawBlock],
    timeline: &Timeline,
    stages: &mut Stages,
) -> anyhow::Result<()> {
    let mut note = |stage, took| *stages.entry(stage).or_default() += took;
    let received = UtcMicros(i64::MAX);
    let parts: Vec<Part> = blocks.iter().map(|block| Part::whole(block.clone(), received)).collect();
    let (rows, took) = timed(|| Source { kind, before: &[], parts: &parts, after: &[], timeline }.rows());
    let rows = rows?;
    note(Stage::Rows, took);
    let table = Table::new(kind, rows.clone())?;
    let (text, took) = timed(|| written(kind, &rows));
    let text = text?;
    note(Stage::Csv, took);
    let (hash, took) = timed(|| <[u8; 32]>::from(Sha256::digest(&text)));
    note(Stage::Hash, took);
    let (zip, took) = timed(|| zipped(kind, &text));
    note(Stage::Zip, took);
    zip?;
    ensure!(table.csv_sha256 == hash, "the yardstick makes another table");
    Ok(())
}

fn written(kind: Kind, rows: &Rows) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(rows.readings.len() * 20 + 64);
    csv::write(kind, &rows.readings, &mut text)?;
    Ok(text)
}

fn zipped(kind: Kind, text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::with_capacity(text.len() / 6 + 256)));
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    archive.start_file(format!("{kind}.csv"), deflated.compression_level(Some(6)))?;
    archive.write_all(text)?;
    Ok(archive.finish()?.into_inner())
}

/// The daemon's loop, until nothing is left.
async fn upload_all(outbox: &Outbox) -> anyhow::Result<Duration> {
    let config = UploaderConfig { sink: nowatch(), max_samples: MAX_ROWS, takes_synthetic: true, seed: 1 };
    let (status, mut seen) = watch::channel(UploadStatus::default());
    let cancel = CancellationToken::new();
    let uploader = Uploader::new(
        Nowatch::new(Glutton, Duration::from_hours(1)),
        config,
        outbox.clone(),
        Clock::System,
        status,
        Arc::new(Notify::new()),
    );
    let began = Instant::now();
    let running = tokio::spawn(uploader.run(cancel.clone()));
    seen.wait_for(|status| status.state == UploadState::Idle && status.batches > 0).await?;
    let took = began.elapsed();
    cancel.cancel();
    running.await??;
    let unsent: u64 = outbox.backlog(&nowatch()).await?.iter().map(|backlog| backlog.samples).sum();
    ensure!(unsent == 0, "{unsent} samples were left");
    Ok(took)
}

fn print(load: &Load, looped: &Runs, runs: &BTreeMap<Stage, Runs>) {
    let seconds = |stage| runs[&stage].median();
    println!(
        "{DAYS} days of every stream: {} samples in {} blocks, tables of up to {} samples.",
        grouped(load.samples),
        grouped(load.blocks.len() as u64),
        grouped(MAX_ROWS)
    );
    let parts: Vec<String> =
        load.by_stream().iter().map(|(name, _, samples)| format!("{name} {}", grouped(*samples))).collect();
    println!("  {}", parts.join(", "));
    println!(
        "  the upload loop, receipts and all  {:>6.2} M samples/s  ({})",
        looped.median() / 1e6,
        looped.range_in_millions()
    );
    let parts = [
        ("read out of the outbox", Stage::Read),
        ("CRC and header", Stage::Check),
        ("unpack, date, make rows", Stage::Rows),
        ("write CSV", Stage::Csv),
        ("SHA-256", Stage::Hash),
        ("zip", Stage::Zip),
    ];
    let whole: f64 = parts.iter().map(|(_, stage)| seconds(*stage)).sum();
    println!("  its stages, one by one             {:>6.2} M samples/s", load.samples as f64 / whole / 1e6);
    for (name, stage) in parts {
        println!(
            "    {name:<32} {:>6.1} ns a sample {:>5.1} %",
            seconds(stage) * 1e9 / load.samples as f64,
            100.0 * seconds(stage) / whole
        );
    }
    let least = seconds(Stage::Csv) + seconds(Stage::Zip);
    println!("  yardstick: CSV and zip alone       {:>6.2} M samples/s", load.samples as f64 / least / 1e6);
    println!("  stages / yardstick                 {:>6.2}", least / whole);
    println!("  upload loop / yardstick            {:>6.2}", least * looped.median() / load.samples as f64);
}

/// A cloud that takes everything, at once.
struct Glutton;

impl Api for Glutton {
    async fn user(&self) -> Result<User, CloudError> {
        Ok(User {
            id: "uid_bench".to_owned(),
            email: None,
            first_name: None,
            is_early_access: false,
            last_sync_at: None,
        })
    }

    async fn settings(&self) -> Result<UserSettings, CloudError> {
        Ok(UserSettings { user_consent: UserConsent { data_sharing: Some(true) } })
    }

    async fn upload(&self, _upload: Upload) -> Result<UploadReceipt, CloudError> {
        Ok(UploadReceipt { status: 201, body: "{}".to_owned() })
    }

    async fn measurements(&self, _query: MeasurementQuery) -> Result<Vec<DayOfValues>, CloudError> {
        Ok(Vec::new())
    }

    async fn delete_measurements(&self, _kind: Kind, _from: Day, _to: Day) -> Result<(), CloudError> {
        Ok(())
    }

    async fn firmware(&self, _query: FirmwareQuery) -> Result<Option<FirmwareOffer>, CloudError> {
        Ok(None)
    }

    async fn pass(&self, _to: Url, _refused: Option<Pass>) -> Result<Option<Pass>, CloudError> {
        Ok(None)
    }
}
