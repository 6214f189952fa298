//! The outbox by itself, for scripts that look at it from outside:
//!
//! - `cargo bench --bench store -- wear DIR SAMPLES COMMITS`: so many commits of so many samples each, as three watches with two
//!   streams each would make them (benches/wear.sh counts what reaches the block device);
//! - `cargo bench --bench store -- through DIR SAMPLES`: so many samples in, 1,000 a commit, and out again, 50,000 a batch
//!   (benches/compare.sh holds that against other queues).
//!
//! Either prints one line of `name=number` pairs.

mod common;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::measurement::{Kind, Quality};
use nowbridge::outbox::{Log, NewBatch, NewBlock, Outbox, Receipt, SessionKey, Span};
use nowbridge::sim::watch::SealPolicy;
use nowbridge::upload::nowatch;
use nowbridge::wire::bridge::{Boot, DeviceId, LogId, RawBlock, Sample, Sealer, Seq, Stream, Verdict};
use tokio::time::Instant;

use crate::common::numbers::rate;
use crate::common::week::{self, Load, START};

const PER_COMMIT: u64 = 1_000;
const PER_BATCH: u64 = 50_000;
const WATCHES: u64 = 3;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = common::runtime()?;
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["wear", dir, samples, commits] => {
            runtime.block_on(wear(Path::new(dir), samples.parse()?, commits.parse()?))
        }
        ["through", dir, samples] => runtime.block_on(through(Path::new(dir), load(samples.parse()?)?)),
        [] => {
            println!("This is for benches/wear.sh and benches/compare.sh.");
            Ok(())
        }
        _ => bail!("wear DIR SAMPLES COMMITS, or through DIR SAMPLES"),
    }
}

/// At least so many samples of heart rate and beats, in full blocks.
fn load(samples: u64) -> anyhow::Result<Load> {
    let days = u32::try_from(samples.div_ceil(140_000))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let mut load = runtime.block_on(async {
        Load::of(&mut week::watch(&week::hearts(days), SealPolicy::Packed, Clock::simulated(START)))
    });
    let (mut counted, mut blocks) = (0, 0);
    while counted < samples {
        let block = load.blocks.get(blocks).context("the days are too short")?;
        counted += u64::from(RawBlock::parse(block.clone())?.header().n);
        blocks += 1;
    }
    load.blocks.truncate(blocks);
    (load.samples, load.bytes) = (counted, load.blocks.iter().map(|block| block.len() as u64).sum());
    Ok(load)
}

async fn begin(outbox: &Outbox) -> anyhow::Result<(Log, SessionKey)> {
    let device = DeviceId([7; 16]);
    let log = outbox.watch_log(device, LogId(1), true, Seq(0)).await?;
    let session = outbox.begin_session(device, Some(log.key)).await?;
    Ok((log, session))
}

/// Rounds of samples as they come from wrists: a heart rate and a beat a second from each.
async fn wear(dir: &Path, samples: u64, commits: u64) -> anyhow::Result<()> {
    let outbox = Outbox::open(dir, Clock::System).await?;
    let (log, session) = begin(&outbox).await?;
    let mut rng = fastrand::Rng::with_seed(1);
    let (mut seq, mut bytes, mut taken) = (Seq(0), 0, 0);
    let seconds = samples / (2 * WATCHES);
    for commit in 0..commits {
        let mut blocks = Vec::new();
        for _watch in 0..WATCHES {
            for stream in [Stream::HEART_RATE, Stream::BEATS] {
                let sealed = sealed(stream, commit * seconds..(commit + 1) * seconds, &mut seq, &mut rng)?;
                blocks.extend(sealed);
            }
        }
        for block in &blocks {
            bytes += block.body.len();
            taken += u64::from(block.samples);
        }
        outbox.append(log.key, session, blocks, Vec::new()).await?;
    }
    println!("samples={taken} commits={commits} block_bytes={bytes}");
    // Closing folds the log into the database, which belongs to what is written.
    outbox.close().await?;
    Ok(())
}

/// One block, or as many as it takes.
fn sealed(
    stream: Stream,
    seconds: std::ops::Range<u64>,
    seq: &mut Seq,
    rng: &mut fastrand::Rng,
) -> anyhow::Result<Vec<NewBlock>> {
    let (mut sealer, mut blocks) = (Sealer::new(stream), Vec::new());
    let mut seal = |sealer: &mut Sealer| {
        *seq = seq.next();
        sealer.seal(*seq, Boot(1)).map(|block| new_block(&block)).transpose()
    };
    let mut at_ms = seconds.start * 1_000;
    for second in seconds {
        let sample = if stream == Stream::BEATS {
            let interval = 1_000 + rng.i32(-40..=40);
            at_ms += u64::from(interval.unsigned_abs());
            Sample { at_ms, value: interval, quality: Quality::BEST }
        } else {
            Sample { at_ms: second * 1_000, value: 62 + rng.i32(-2..=2), quality: Quality::BEST }
        };
        if sealer.push(sample) == Verdict::SealFirst {
            blocks.extend(seal(&mut sealer)?);
            ensure!(sealer.push(sample) == Verdict::Taken, "an empty block takes any sample");
        }
    }
    blocks.extend(seal(&mut sealer)?);
    Ok(blocks)
}

fn new_block(bytes: &Bytes) -> anyhow::Result<NewBlock> {
    let block = RawBlock::parse(bytes.clone())?;
    let header = block.header();
    Ok(NewBlock {
        seq: header.seq,
        boot: header.boot,
        t0_ms: header.t0_ms,
        stream: header.stream,
        samples: header.n,
        body: bytes.clone(),
    })
}

async fn through(dir: &Path, load: Load) -> anyhow::Result<()> {
    let outbox = Outbox::open(dir, Clock::System).await?;
    let (log, session) = begin(&outbox).await?;
    let commits = by_samples(&load)?;
    let began = Instant::now();
    for blocks in commits {
        outbox.append(log.key, session, blocks, Vec::new()).await?;
    }
    let took_in = began.elapsed();
    let began = Instant::now();
    let mut out = 0;
    for kind in [Kind::HeartRate, Kind::HeartBeat] {
        out += drained(&outbox, &log, kind).await?;
    }
    let took_out = began.elapsed();
    ensure!(out == load.samples, "{out} of {} samples came out", load.samples);
    outbox.close().await?;
    let disk = std::fs::metadata(dir.join("outbox.db"))?.len();
    let each = |took: Duration| rate(load.samples, took);
    println!(
        "samples={} in_per_s={:.0} out_per_s={:.0} disk_bytes_per_sample={:.3}",
        load.samples,
        each(took_in),
        each(took_out),
        disk as f64 / load.samples as f64
    );
    Ok(())
}

/// Groups of at least 1,000 samples.
fn by_samples(load: &Load) -> anyhow::Result<Vec<Vec<NewBlock>>> {
    let (mut groups, mut group, mut samples) = (Vec::new(), Vec::new(), 0);
    for block in &load.blocks {
        let block = new_block(block)?;
        samples += u64::from(block.samples);
        group.push(block);
        if samples >= PER_COMMIT {
            groups.push(std::mem::take(&mut group));
            samples = 0;
        }
    }
    groups.push(group);
    Ok(groups)
}

/// Reads batch after batch, unpacks it, and settles it: written down before, and with a receipt after.
async fn drained(outbox: &Outbox, log: &Log, kind: Kind) -> anyhow::Result<u64> {
    let stream = Stream::of_kind(kind).context("it has a stream")?;
    let (mut samples, mut next) = (0, Seq(0));
    loop {
        let blocks = outbox.blocks(log.key, stream, next..=Seq(u32::MAX), (PER_BATCH / 300) as u32).await?;
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(samples) };
        let (first, last) = (first.seq, last.seq);
        for block in blocks {
            samples += RawBlock::parse(block.body)?.samples()?.len() as u64;
        }
        let batch = NewBatch {
            sink: nowatch(),
            log: log.key,
            kind,
            span: Span::blocks(first, last),
            errand: None,
            anchor_horizon: None,
            rows: 1,
            csv_sha256: [0; 32],
        };
        let batch = outbox.persist_batch(batch).await?;
        let receipt = Receipt { status: 201, body: String::new(), bytes: 0 };
        outbox.settle(batch.key, receipt).await?;
        next = last.next();
    }
}
