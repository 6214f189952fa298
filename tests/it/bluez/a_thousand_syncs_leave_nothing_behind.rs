use nowbridge::clock::Clock;
use nowbridge::outbox::Outbox;
use nowbridge::radio::bluez::BluezCentral;
use nowbridge::sync::{Outcome, Progress, collect};
use nowbridge::watch::{Bridge, Driver};
use tempfile::TempDir;
use tokio::sync::watch;
use zbus::Connection;

use super::holdings::{holdings, memory_kb};
use super::ours::{connected, radio};
use crate::support::process::until;
use crate::support::stage::{Wearable, at_length, story};
use crate::support::sync::worn_for;
use crate::support::watch::START;

/// Told at length it is a thousand, after the caches, SQLite's and the allocator's, have filled: they take 600.
const WARM_UP: u32 = 600;
const CYCLES: u32 = 1000;
/// Usually.
const SHORT_WARM_UP: u32 = 2;
const SHORT_CYCLES: u32 = 10;
/// Chosen after a look at the curve, some rows of the outbox for each session included: what keeps two thirds of a kB more in each cycle does
/// not hide in this. The fake BlueZ lives in the same process, so it bounds what both keep.
const MEMORY_SLACK_KB: u64 = 640;

async fn cycle(radio: &BluezCentral, outbox: &Outbox) {
    let mut bridge = Bridge::open(connected(radio, Wearable::Bridge).await).await.unwrap();
    let progress = watch::Sender::new(Progress::default());
    let report = collect(&mut bridge, outbox, Clock::simulated(START), &progress).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    bridge.close().await;
}

#[test]
fn neither_files_nor_match_rules_nor_memory() {
    story(async |stage| {
        if stage.only_on_the_fake().is_none() {
            return;
        }
        let (warm_up, cycles) = if at_length() { (WARM_UP, CYCLES) } else { (SHORT_WARM_UP, SHORT_CYCLES) };
        let _worn = stage.wear(worn_for(1)).await;
        let (bus, radio, directory) =
            (Connection::system().await.unwrap(), radio().await, TempDir::new().unwrap());
        let outbox = Outbox::open(directory.path(), Clock::simulated(START)).await.unwrap();
        for _ in 0..warm_up {
            cycle(&radio, &outbox).await;
        }
        let (before, memory_before) = (holdings(&bus).await, memory_kb("self", "VmRSS"));
        for _ in 0..cycles {
            cycle(&radio, &outbox).await;
        }
        // Rules are taken back a moment after the link that they were for.
        until("as much is held as before", async || (holdings(&bus).await <= before).then_some(())).await;
        let memory_after = memory_kb("self", "VmRSS");
        println!(
            "{before:?}; {memory_before} kB after {warm_up} cycles, {memory_after} kB after {cycles} more"
        );
        // A few cycles say nothing about memory.
        assert!(!at_length() || memory_after <= memory_before + MEMORY_SLACK_KB, "it grew");
    });
}
