//! How fast measurements become durable: a session with a watch that never keeps the host waiting.
//!
//! `cargo bench --bench ingest`. The session is the daemon's (`collect`, the driver, SQLite with `synchronous=FULL` on a real
//! disk); only the link has no air in it. The yardstick is the least that durability can cost on the same disk in the same
//! minute: the same bytes in the same groups of 64 blocks, appended to a file with an fdatasync after each. What counts is the
//! ratio of the two, and disks differ too much from minute to minute to compare samples of them across runs, so a framework
//! that does so (criterion) would hide what is to be seen. The runs take turns; medians are printed.
//!
//! Then the same for commits of 1,000 samples, a few blocks each, where the flush is nearly all there is.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::outbox::{NewBlock, Outbox};
use nowbridge::sim::watch::SealPolicy;
use nowbridge::sync::{Outcome, Progress, collect};
use nowbridge::watch::{Bridge, Driver};
use nowbridge::wire::bridge::{Assembler, BridgeDevice, Channel, DeviceId, LogId, RawBlock, Request, Seq};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::common::numbers::{Runs, grouped, rate, timed};
use crate::common::shelf::{ROOM, Shelf, Wire};
use crate::common::week::{self, Load, START};

const DAYS: u32 = 28;
/// Blocks that a session commits at once.
const GROUP: usize = 64;
/// Samples in a small commit.
const PER_COMMIT: u64 = 1_000;
/// Small commits a run.
const SMALL_COMMITS: usize = 500;
/// Odd, so that there is one in the middle.
const RUNS: usize = 7;

fn main() -> anyhow::Result<()> {
    let runtime = common::runtime()?;
    for (name, policy) in [("full blocks", SealPolicy::Packed), ("sealed every minute", SealPolicy::Bounded)]
    {
        let load = load(policy)?;
        println!(
            "{DAYS} days of heart rate and beats in {name}: {} samples in {} blocks, {} bytes.",
            grouped(load.samples),
            grouped(load.blocks.len() as u64),
            grouped(load.bytes)
        );
        measure(&runtime, &load)?;
        if policy == SealPolicy::Packed {
            measure_small(&runtime, &load)?;
        }
    }
    Ok(())
}

fn load(policy: SealPolicy) -> anyhow::Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    Ok(runtime
        .block_on(async { Load::of(&mut week::watch(&week::hearts(DAYS), policy, Clock::simulated(START))) }))
}

fn measure(runtime: &Runtime, load: &Load) -> anyhow::Result<()> {
    let (mut session, mut append, mut plain, mut ratio) =
        (Runs::default(), Runs::default(), Runs::default(), Runs::default());
    let (mut watch, mut flush_us, mut size) = (Runs::default(), Runs::default(), 0);
    for _ in 0..RUNS {
        let folder = common::scratch()?;
        let (bytes, took) = runtime.block_on(run_session(&folder.path().join("session"), load))?;
        size = bytes;
        let appended = runtime.block_on(append_alone(&folder.path().join("append"), load))?;
        let yardstick = append_to_file(&folder.path().join("plain"), load)?;
        session.push(rate(load.samples, took));
        append.push(rate(load.samples, appended));
        plain.push(rate(load.samples, yardstick));
        ratio.push(yardstick.as_secs_f64() / took.as_secs_f64());
        watch.push(rate(load.samples, watch_alone(load)?));
        flush_us.push(yardstick.as_micros() as f64 / load.blocks.len().div_ceil(GROUP) as f64);
    }
    let line = |name: &str, runs: &Runs| {
        println!("  {name:<46} {:>6.2} M samples/s  ({})", runs.median() / 1e6, runs.range_in_millions());
    };
    line("session: watch, driver, outbox", &session);
    line("Outbox::append alone", &append);
    line("yardstick: append to a file, fdatasync", &plain);
    line("the watch and the assembler, without a disk", &watch);
    println!("  session / yardstick                            {:>6.2}", ratio.median());
    println!("  a group of {GROUP} blocks, appended and flushed      {:>6.0} µs", flush_us.median());
    println!(
        "  on the disk                                    {:>6.3} bytes a sample ({:.3} in the blocks themselves)\n",
        size as f64 / load.samples as f64,
        load.bytes as f64 / load.samples as f64
    );
    Ok(())
}

/// Commits of 1,000 samples: appended to the outbox, and to a file.
fn measure_small(runtime: &Runtime, load: &Load) -> anyhow::Result<()> {
    let groups = by_samples(load)?;
    let samples = groups.iter().flatten().map(|block| u64::from(block.samples)).sum();
    let (mut append, mut plain, mut ratio) = (Runs::default(), Runs::default(), Runs::default());
    for _ in 0..RUNS {
        let folder = common::scratch()?;
        let yardstick = append_groups(&folder.path().join("plain"), &groups)?;
        let took = runtime.block_on(append_all(&folder.path().join("append"), groups.clone()))?;
        append.push(rate(samples, took));
        plain.push(rate(samples, yardstick));
        ratio.push(yardstick.as_secs_f64() / took.as_secs_f64());
    }
    println!("{} commits of {PER_COMMIT} samples or a few more:", grouped(groups.len() as u64));
    for (name, runs) in [("Outbox::append", &append), ("yardstick: append to a file, fdatasync", &plain)] {
        println!("  {name:<46} {:>6.2} M samples/s  ({})", runs.median() / 1e6, runs.range_in_millions());
    }
    println!("  append / yardstick                             {:>6.2}\n", ratio.median());
    Ok(())
}

/// The first groups of at least 1,000 samples.
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
        if groups.len() == SMALL_COMMITS {
            break;
        }
    }
    Ok(groups)
}

/// A whole session with the daemon's own code. Tells the size of the closed database, and how long the session took.
async fn run_session(dir: &Path, load: &Load) -> anyhow::Result<(u64, Duration)> {
    let outbox = Outbox::open(dir, Clock::System).await?;
    let mut bridge = Bridge::open(Wire::to(Shelf::new(load.blocks.clone()))).await?;
    let progress = watch::Sender::new(Progress::default());
    let began = tokio::time::Instant::now();
    let report = collect(&mut bridge, &outbox, Clock::System, &progress).await;
    let took = began.elapsed();
    ensure!(report.outcome == Outcome::Complete, "the session ended: {}", report.outcome);
    ensure!(report.new == load.blocks.len() as u64, "{} blocks are new", report.new);
    outbox.close().await?;
    let mut size = 0;
    for entry in fs::read_dir(dir)? {
        size += entry?.metadata()?.len();
    }
    Ok((size, took))
}

/// The same groups straight into the outbox.
async fn append_alone(dir: &Path, load: &Load) -> anyhow::Result<Duration> {
    let blocks = load.blocks.iter().map(new_block).collect::<anyhow::Result<Vec<_>>>()?;
    append_all(dir, blocks.chunks(GROUP).map(<[NewBlock]>::to_vec).collect()).await
}

async fn append_all(dir: &Path, groups: Vec<Vec<NewBlock>>) -> anyhow::Result<Duration> {
    let outbox = Outbox::open(dir, Clock::System).await?;
    let device = DeviceId([7; 16]);
    let log = outbox.watch_log(device, LogId(1), true, Seq(0)).await?;
    let session = outbox.begin_session(device, Some(log.key)).await?;
    let began = tokio::time::Instant::now();
    for group in groups {
        outbox.append(log.key, session, group, Vec::new()).await?;
    }
    let took = began.elapsed();
    outbox.close().await?;
    Ok(took)
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

fn append_groups(path: &Path, groups: &[Vec<NewBlock>]) -> anyhow::Result<Duration> {
    let groups: Vec<Vec<u8>> = groups
        .iter()
        .map(|group| group.iter().flat_map(|block| block.body.iter().copied()).collect())
        .collect();
    let mut file = File::create(path)?;
    let (done, took) = timed(|| {
        groups.iter().try_for_each(|group| {
            file.write_all(group)?;
            file.sync_data()
        })
    });
    done?;
    Ok(took)
}

fn append_to_file(path: &Path, load: &Load) -> anyhow::Result<Duration> {
    let mut file = File::create(path)?;
    let (done, took) = timed(|| {
        load.blocks.chunks(GROUP).try_for_each(|group| {
            file.write_all(&group.concat())?;
            file.sync_data()
        })
    });
    done?;
    Ok(took)
}

/// What the far end of the link and the joining of notifications cost, which a session pays too.
fn watch_alone(load: &Load) -> anyhow::Result<Duration> {
    let mut device = BridgeDevice::new(Shelf::new(load.blocks.clone()));
    let (mut assembler, mut blocks) = (Assembler::new(), Vec::with_capacity(load.blocks.len()));
    let pull = Request::Pull { id: 1, log_id: LogId(1), from: Seq(1), credit: u32::MAX };
    let (done, took) = timed(|| {
        device.write_control(&pull.encode()).map_err(|_refused| anyhow::anyhow!("the pull was refused"))?;
        while let Some((channel, slice)) = device.next_notification(ROOM) {
            if channel == Channel::Data {
                assembler.push(&slice, &mut blocks)?;
            }
        }
        anyhow::Ok(())
    });
    done?;
    ensure!(blocks.len() == load.blocks.len(), "{} blocks came out", blocks.len());
    Ok(took)
}
