//! The daemon's own way: our radio, the real driver, the real `collect`, a real SQLite file.

use anyhow::{Context, ensure};
use nowbridge::clock::Clock;
use nowbridge::config::AdapterChoice;
use nowbridge::outbox::Outbox;
use nowbridge::radio::bluez::{BluezCentral, BluezLink};
use nowbridge::radio::{Central, PeerAddress, RadioState};
use nowbridge::sync::{Outcome, Progress, collect};
use nowbridge::watch::{Bridge, Driver};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::WATCH;

const TRIES: u32 = 5;

/// Bytes of blocks a second, from the moment that the session knows what there is to the one in which it has all of it.
pub async fn rate() -> anyhow::Result<f64> {
    let (folder, radio) = (TempDir::new()?, radio().await?);
    let clock = Clock::System;
    let outbox = Outbox::open(folder.path(), clock).await?;
    let mut bridge = Bridge::open(link(&radio).await?).await?;
    let (progress, seen) = watch::channel(Progress::default());
    let watching = tokio::spawn(first_and_last(seen));
    let report = collect(&mut bridge, &outbox, clock, &progress).await;
    drop(progress);
    ensure!(report.outcome == Outcome::Complete, "the session ended: {}", report.outcome);
    let (first, last) = watching.await?.context("the session showed no progress")?;
    bridge.close().await;
    outbox.close().await?;
    radio.shutdown().await;
    Ok(stored_bytes(&folder)? as f64 / (last - first).as_secs_f64())
}

/// Connects, syncs and disconnects again and again; only the first time there is much to fetch.
pub async fn cycles(count: u32) -> anyhow::Result<()> {
    let (folder, radio) = (TempDir::new()?, radio().await?);
    let clock = Clock::System;
    let outbox = Outbox::open(folder.path(), clock).await?;
    let (began, mut fetched) = (Instant::now(), 0);
    for cycle in 1..=count {
        let mut bridge = Bridge::open(link(&radio).await?).await?;
        let report = collect(&mut bridge, &outbox, clock, &watch::Sender::new(Progress::default())).await;
        ensure!(report.outcome == Outcome::Complete, "cycle {cycle} ended: {}", report.outcome);
        fetched += report.fetched;
        bridge.close().await;
    }
    println!("{count} cycles in {:.0} s, {fetched} blocks", began.elapsed().as_secs_f64());
    radio.shutdown().await;
    Ok(outbox.close().await?)
}

async fn radio() -> anyhow::Result<BluezCentral> {
    let radio = BluezCentral::start(AdapterChoice::Any);
    radio.state().wait_for(RadioState::is_ready).await?;
    Ok(radio)
}

/// What may pass by itself is given a few tries: one connect in a hundred or so ends at once.
async fn link(radio: &BluezCentral) -> anyhow::Result<BluezLink> {
    let watch = PeerAddress(WATCH.to_owned());
    let mut tries = 0;
    loop {
        tries += 1;
        match radio.connect(&watch).await {
            Err(error) if error.is_transient() && tries < TRIES => println!("once more: {error}"),
            link => return Ok(link?),
        }
    }
}

/// When a session first showed how far it is, and when it last did.
async fn first_and_last(mut seen: watch::Receiver<Progress>) -> Option<(Instant, Instant)> {
    let mut times = None;
    while seen.changed().await.is_ok() {
        let now = Instant::now();
        times = Some((times.map_or(now, |(first, _)| first), now));
    }
    times
}

fn stored_bytes(folder: &TempDir) -> anyhow::Result<i64> {
    let file =
        Connection::open_with_flags(folder.path().join("outbox.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(file.query_row("SELECT sum(length(body)) FROM block", [], |row| row.get(0))?)
}
