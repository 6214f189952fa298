//! What a card must bear: bytes handed to the disk for a sample. Counted by the system for a process that does nothing else, so that
//! it can be held to in any test run; what reaches the device, with its 4 KiB pieces, is measured by benches/wear.sh.

use std::fs;
use std::process::Command;

use nowbridge::outbox::NewBlock;
use nowbridge::wire::bridge::{LogId, Seq, Stream};
use tempfile::TempDir;

use crate::support::outbox::{WATCH, batch, block, open, receipt};

const CHILD: &str = "outbox::a_sample_costs_few_writes::counts_what_it_writes";
const SCENARIO: &str = "NOWBRIDGE_WEAR";

/// How a day is written down.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    /// Blocks in a commit: one of each stream.
    streams: u32,
    /// Samples in a block.
    samples: u16,
    commits: u32,
    /// Bytes for a sample, at most. A tenth more than was measured when this was written.
    budget: u64,
}

/// Three watches, six samples a second; and a history that is fetched.
const SCENARIOS: [Scenario; 3] = [
    Scenario { streams: 6, samples: 10, commits: 1_000, budget: 240 },
    Scenario { streams: 6, samples: 60, commits: 300, budget: 50 },
    Scenario { streams: 64, samples: 200, commits: 60, budget: 6 },
];

#[test]
fn it_stays_within_its_budget() {
    for (index, scenario) in SCENARIOS.into_iter().enumerate() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"])
            .env(SCENARIO, index.to_string())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&child.stdout);
        assert!(printed.contains("1 passed"), "{printed}{}", String::from_utf8_lossy(&child.stderr));
        let Some(written) = printed.lines().find_map(|line| line.strip_prefix("written ")) else {
            eprintln!("SKIPPED: this system does not count what a process writes");
            return;
        };
        let samples = u64::from(scenario.streams) * u64::from(scenario.samples) * u64::from(scenario.commits);
        let each = written.parse::<u64>().unwrap() / samples;
        eprintln!("{each} bytes a sample: {scenario:?}");
        assert!(each <= scenario.budget, "{each} bytes a sample, {scenario:?}");
    }
}

#[tokio::test]
#[ignore = "counts only when the story beside it starts it"]
async fn counts_what_it_writes() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let Scenario { streams, samples, commits, .. } = SCENARIOS[scenario.parse::<usize>().unwrap()];
    let dir = TempDir::new().unwrap();
    let outbox = open(dir.path()).await.unwrap();
    let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
    let before = written();
    for commit in 0..commits {
        let seqs = commit * streams + 1..=(commit + 1) * streams;
        let blocks = seqs.clone().map(|seq| sealed(seq, samples)).collect();
        outbox.append(log.key, session, blocks, vec![]).await.unwrap();
        if (commit + 1) % 60 == 0 {
            let batch = batch(log.key, (commit - 59) * streams + 1, *seqs.end());
            let batch = outbox.persist_batch(batch).await.unwrap();
            outbox.settle(batch.key, receipt()).await.unwrap();
        }
    }
    outbox.close().await.unwrap();
    if let Some((before, after)) = before.zip(written()) {
        println!("\nwritten {}", after - before);
    }
}

/// A block as long as that many samples are: a byte and a bit each, and a header.
fn sealed(seq: u32, samples: u16) -> NewBlock {
    let body = bytes::Bytes::from(vec![seq as u8; usize::from(samples) * 11 / 10 + 20]);
    NewBlock { samples, body, ..block(seq, Stream::HEART_RATE) }
}

/// Bytes that this process has handed to the system so far.
fn written() -> Option<u64> {
    let counted = fs::read_to_string("/proc/self/io").ok()?;
    counted.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok())
}
