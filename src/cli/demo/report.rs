//! What the demo says.

use std::time::Duration;

use super::Args;
use super::follow::Times;
use super::reconcile::{KindRow, Reconciliation};
use super::scene::Scene;
use crate::cli::format::{bytes, count};
use crate::sim::cloud::Fault;

/// Before it starts.
pub fn introduce(scene: &Scene, args: &Args, seed: u64) {
    let samples: usize = scene.recording.tracks.iter().map(|track| track.samples.len()).sum();
    println!("nowbridge demo, seed {seed}, in {}", scene.dir.display());
    println!("   a simulated watch holds {} h: {} samples", args.hours, count(samples as u64));
    println!("   {}", scene.recording.source);
    let model = scene.air.model();
    println!(
        "   the air: LE 2M, 15 ms interval, at most {:.1} kB/s{}",
        model.ceiling_bytes_per_second() / 1e3,
        if args.faults { ", with faults" } else { "" }
    );
}

/// After it ended.
pub fn conclude(scene: &Scene, result: &Reconciliation, times: &Times, took: Duration) {
    println!();
    table(&result.rows);
    println!();
    let (blocks, block_bytes) = result.blocks;
    let samples: u64 = result.rows.iter().map(|row| row.on_watch).sum();
    let synced = times.synced.unwrap_or(took);
    println!(
        "watch → outbox   {} blocks, {} ({:.2} B a sample) in {:.1} s and {}: {:.1} kB/s",
        count(blocks),
        bytes(block_bytes),
        block_bytes as f64 / samples.max(1) as f64,
        synced.as_secs_f64(),
        plural(result.sessions, "session"),
        block_bytes as f64 / 1e3 / synced.as_secs_f64()
    );
    let rows: u64 = result.receipts.iter().map(|receipt| u64::from(receipt.rows)).sum();
    let zip_bytes: u64 = result.receipts.iter().map(|receipt| receipt.bytes).sum();
    println!(
        "outbox → cloud   {} rows, {} zipped, {} with a receipt each: {} rows/s",
        count(rows),
        bytes(zip_bytes),
        plural(result.receipts.len() as u64, "batch"),
        count((rows as f64 / times.uploaded.unwrap_or(took).as_secs_f64()) as u64)
    );
    println!(
        "dates            at most {} ms off (the watch's crystal runs 5 ppm fast, and a first sync has one anchor)",
        result.worst_clock_error_ms
    );
    faults(scene);
    println!("took             {:.1} s", took.as_secs_f64());
    println!();
    match &result.first_difference {
        None => println!("Equal: every value and quality on the watch is in the cloud, once."),
        Some(difference) => {
            println!("DIFFERENT: {difference}.");
            println!("Everything is kept in {}.", scene.dir.display());
        }
    }
}

fn table(rows: &[KindRow]) {
    println!(
        "{:<18} {:>12} {:>14} {:>12} {:>16} {:>14}",
        "kind", "on the watch", "in the outbox", "uploaded", "seconds due", "in the cloud"
    );
    for row in rows {
        let verdict =
            if row.equal == row.seconds && row.in_cloud == row.seconds { "equal" } else { "DIFFERENT" };
        println!(
            "{:<18} {:>12} {:>14} {:>12} {:>16} {:>14}  {verdict}",
            row.kind.name(),
            count(row.on_watch),
            count(row.in_outbox),
            count(row.uploaded),
            count(row.seconds),
            count(row.in_cloud)
        );
    }
}

/// What went wrong on the way, if anything was to.
fn faults(scene: &Scene) {
    let air = scene.air.fault_counts();
    let cloud: Vec<String> = Fault::ALL
        .into_iter()
        .map(|fault| (fault, scene.cloud_faults.injected(fault)))
        .filter(|(_, times)| *times > 0)
        .map(|(fault, times)| format!("{times} × {fault:?}"))
        .collect();
    if air.lost_notifications + air.corrupted_notifications + air.dropped_links > 0 {
        println!(
            "faults of the air   {} lost, {} damaged notifications, {} dropped links",
            air.lost_notifications, air.corrupted_notifications, air.dropped_links
        );
    }
    if !cloud.is_empty() {
        println!("faults of the cloud {}", cloud.join(", "));
    }
}

fn plural(number: u64, noun: &str) -> String {
    let ending = match (number, noun.ends_with("ch")) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {noun}{ending}", count(number))
}
