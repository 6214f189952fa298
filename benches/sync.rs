//! How much of what a link can carry a session uses: a week of history over the virtual air.
//!
//! `cargo bench --bench sync`. Time is tokio's paused clock, so the figures are arithmetic on connection events and the same on
//! every machine: one run is enough, and a framework that samples wall time could say nothing about them. The session is the
//! daemon's: the real driver, the real `collect`, a real SQLite file. A paused clock does not advance while the disk works, so
//! a commit takes no time here, but for the rows that say how much.

mod common;

use std::time::Duration;

use anyhow::ensure;
use nowbridge::clock::Clock;
use nowbridge::outbox::Outbox;
use nowbridge::radio::air::{Air, AirCentral, LinkModel};
use nowbridge::radio::{Central, PeerAddress};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::watch::SealPolicy;
use nowbridge::sync::{Outcome, Progress, collect};
use nowbridge::watch::{Bridge, Driver};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::common::numbers::grouped;
use crate::common::slow::slow_disk;
use crate::common::tape::{Heard, Tape, Taped};
use crate::common::week::{self, Load, START};

/// A link, a watch and a disk.
struct Case {
    name: &'static str,
    model: LinkModel,
    policy: SealPolicy,
    flush: Duration,
}

/// What a session came to.
struct Figures {
    load: Load,
    heard: Heard,
    session: Duration,
}

fn main() -> anyhow::Result<()> {
    println!(
        "A week of history in one session. Time is virtual. The ceiling is what notifications of 244 bytes"
    );
    println!(
        "can carry; blocks are what arrives of it without the notifications' flags. idle: on the air.\n"
    );
    println!(
        "{:<44} {:>9} {:>6} {:>8} {:>6} {:>7} {:>7} {:>8} {:>6} {:>15}",
        "link",
        "bytes",
        "blocks",
        "history",
        "kB/s",
        "ceiling",
        "idle",
        "session",
        "pulls",
        "credits/commits"
    );
    for case in cases() {
        let figures = run(&case)?;
        print(&case, &figures);
    }
    println!("\nThe week: {}.", mix()?);
    Ok(())
}

fn cases() -> Vec<Case> {
    let (fast, slow, old) = (LinkModel::fast_2m_15ms(), LinkModel::slow_1m_30ms(), LinkModel::no_dle());
    let case =
        |name, model, policy, flush_ms| Case { name, model, policy, flush: Duration::from_millis(flush_ms) };
    vec![
        case("2M, 15 ms", fast, SealPolicy::Packed, 0),
        case("2M, 15 ms, 20 ms a commit (SD card)", fast, SealPolicy::Packed, 20),
        case("2M, 15 ms, 100 ms a commit (bad SD card)", fast, SealPolicy::Packed, 100),
        case("2M, 15 ms, sealed every minute", fast, SealPolicy::Bounded, 0),
        case("2M, 15 ms, sealed every minute, SD card", fast, SealPolicy::Bounded, 20),
        case("1M, 30 ms, 6 packets an event", slow, SealPolicy::Packed, 0),
        case("1M, 30 ms, 6 packets, sealed every minute", slow, SealPolicy::Bounded, 0),
        case("1M, 15 ms, no data length extension", old, SealPolicy::Packed, 0),
    ]
}

fn run(case: &Case) -> anyhow::Result<Figures> {
    let folder = common::scratch()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let clock = Clock::simulated(START);
        let mut watch = week::watch(&week::days(7), case.policy, clock);
        let load = Load::of(&mut watch);
        let (air, address) = (Air::new(case.model), PeerAddress("C0:FF:EE:00:00:01".to_owned()));
        let tape = Tape::default();
        let peripheral = WatchOnAir::new(watch);
        air.place(address.clone(), Taped { peripheral, tape: tape.clone(), interval: case.model.interval });
        let outbox = Outbox::open(folder.path(), clock).await?;

        let began = Instant::now();
        let link = AirCentral::new(air.clone()).connect(&address).await?;
        let mut bridge = Bridge::open(link).await?;
        let progress = watch::Sender::new(Progress::default());
        let report = slow_disk(collect(&mut bridge, &outbox, clock, &progress), case.flush).await;
        let session = began.elapsed();

        ensure!(report.outcome == Outcome::Complete, "the session ended: {}", report.outcome);
        // The session sets the watch's clock, which is one block more.
        ensure!(report.new == load.blocks.len() as u64 + 1, "{} of {} blocks", report.new, load.blocks.len());
        bridge.close().await;
        air.shutdown().await;
        outbox.close().await?;
        Ok(Figures { load, heard: tape.heard(), session })
    })
}

fn print(case: &Case, figures: &Figures) {
    let Figures { load, heard, session } = figures;
    let history = heard.history().as_secs_f64();
    let speed = load.bytes as f64 / history;
    println!(
        "{:<44} {:>9} {:>6} {:>6.2} s {:>6.1} {:>5.1} % {:>5.2} s {:>6.2} s {:>6} {:>15}",
        case.name,
        grouped(load.bytes),
        grouped(load.blocks.len() as u64),
        history,
        speed / 1e3,
        100.0 * speed / case.model.ceiling_bytes_per_second(),
        heard.idle.as_secs_f64(),
        session.as_secs_f64(),
        heard.requests.pulls,
        format!("{}/{}", heard.requests.credits, heard.requests.commits),
    );
}

/// What the week holds, packed, stream by stream.
fn mix() -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let load = runtime.block_on(async {
        Load::of(&mut week::watch(&week::days(7), SealPolicy::Packed, Clock::simulated(START)))
    });
    let parts: Vec<String> = load
        .by_stream()
        .into_iter()
        .map(|(name, bytes, samples)| format!("{name} {} kB ({} samples)", bytes / 1_000, grouped(samples)))
        .collect();
    let density = load.bytes as f64 / load.samples as f64;
    Ok(format!("{} samples, {density:.2} bytes each: {}", grouped(load.samples), parts.join(", ")))
}
