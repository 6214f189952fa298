//! Power cuts, rebuilt: a child writes to an outbox under strace, and from the order of its writes and flushes every disk is made
//! that a power cut could have left. Each must open, be sound, and hold whatever was answered with `Ok` before the cut.
//!
//! The model of the disk: what a file was written since its last flush is there, or is not, or in part (sectors of 512 bytes), in any
//! combination. Names are made, changed and removed in order, as ext4 does it.
//!
//! [`image`] does the same to a real file system.
//!
//! The same story with `synchronous=NORMAL`, which no setting of ours reaches (the child opens the file itself), must find losses:
//! that shows that it can. `NOWBRIDGE_SLOW=1` tries every point of the sequence, `NOWBRIDGE_SEED=123` what is torn.

mod disk;
mod image;
mod trace;
mod writer;

use std::path::Path;

use nowbridge::measurement::Kind;
use nowbridge::outbox::OutboxError;
use nowbridge::wire::bridge::{Seq, Stream};
use rusqlite::Connection;
use tempfile::TempDir;

use self::disk::{Disk, Loss};
use self::trace::{Operation, Promise, Trace};
use self::writer::Flushing;
use crate::support::outbox::{block, cloud, open};
use crate::support::stage::at_length;

/// Points of the sequence at which the power is cut, of some thousands.
const CUTS: usize = 60;

/// What all the cuts did.
#[derive(Debug, Default)]
struct Tally {
    disks: u64,
    unborn: u64,
    /// Disks on which something is missing that was promised.
    broken_promises: u64,
    /// Blocks promised and lost, on the worst of them.
    worst: u32,
}

#[tokio::test]
async fn no_power_cut_takes_what_was_answered() {
    let Some(tally) = cut_everywhere(Flushing::Full).await else { return };
    assert_eq!((tally.broken_promises, tally.worst), (0, 0), "{tally:?}");
    assert!(tally.disks > 100, "{tally:?}");
}

#[tokio::test]
async fn a_log_that_is_not_flushed_at_each_commit_is_found_out() {
    let Some(tally) = cut_everywhere(Flushing::Normal).await else { return };
    assert!(tally.broken_promises > 10 && tally.worst > 10, "the story has no teeth: {tally:?}");
}

/// `None` if nothing can be traced here.
async fn cut_everywhere(flushing: Flushing) -> Option<Tally> {
    let seed =
        std::env::var("NOWBRIDGE_SEED").map_or(1, |seed| seed.parse().expect("NOWBRIDGE_SEED is a number"));
    let mut rng = fastrand::Rng::with_seed(seed);
    let Some(trace) = writer::traced(flushing) else {
        eprintln!("SKIPPED: strace is missing or may not trace here; no power cut was rebuilt");
        return None;
    };
    assert!(trace.flushes() > 20, "only {} flushes were seen", trace.flushes());
    let mut points: Vec<usize> = (1..=trace.operations.len()).collect();
    if !at_length() {
        rng.shuffle(&mut points);
        points.truncate(CUTS);
    }
    let mut tally = Tally::default();
    for point in points {
        for loss in Loss::ALL {
            let what = format!("{flushing:?}, cut after {point} operations, {loss:?}, NOWBRIDGE_SEED={seed}");
            cut(&trace, point, loss, &mut rng, &mut tally, &what).await;
        }
    }
    eprintln!("{flushing:?}: {} operations, {tally:?}", trace.operations.len());
    Some(tally)
}

async fn cut(
    trace: &Trace,
    point: usize,
    loss: Loss,
    rng: &mut fastrand::Rng,
    tally: &mut Tally,
    what: &str,
) {
    let (mut disk, mut promised, mut sent) = (Disk::default(), 0, 0);
    for operation in &trace.operations[..point] {
        match operation {
            Operation::Promised(Promise::Stored(seq)) => promised = *seq,
            Operation::Promised(Promise::Sent(seq)) => sent = *seq,
            operation => disk.apply(operation),
        }
    }
    let dir = in_memory();
    disk.lose_power(loss, rng, dir.path());
    tally.disks += 1;
    tally.unborn += u64::from(!dir.path().join("outbox.db").exists());
    let kept = look(dir.path(), what).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    if kept.stored < promised || kept.sent < sent {
        tally.broken_promises += 1;
        tally.worst = tally.worst.max(promised.saturating_sub(kept.stored));
    }
}

/// Hundreds of disks are looked at, and what they cost is not the question.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// What is still there: every block up to a number, and what the cloud has confirmed.
struct Kept {
    stored: u32,
    sent: u32,
}

async fn look(dir: &Path, what: &str) -> Result<Kept, OutboxError> {
    let outbox = open(dir).await?;
    let mut kept = Kept { stored: 0, sent: 0 };
    if let Some(log) = outbox.logs().await?.first() {
        let waiting = outbox.backlog(&cloud()).await?;
        let next = waiting.iter().find(|waiting| waiting.kind == Kind::HeartRate).map(|it| it.unsent_from);
        kept = Kept { stored: log.cursor.0, sent: next.map_or(log.cursor.0, |next| next.0 - 1) };
        let all = Seq(0)..=Seq(u32::MAX);
        let blocks = outbox.blocks(log.key, Stream::HEART_RATE, all, u32::MAX).await?;
        // What was confirmed may have been freed.
        let first = blocks.first().map_or(kept.stored + 1, |first| first.seq.0);
        assert!(first <= kept.sent + 1, "{what}: the first block is {first}");
        assert_eq!(first + blocks.len() as u32, kept.stored + 1, "{what}: blocks and cursor disagree");
        for (expected, stored) in (first..).zip(&blocks) {
            assert_eq!(stored.seq, Seq(expected), "{what}: a hole");
            assert_eq!(stored.body, block(expected, Stream::HEART_RATE).body, "{what}: another block");
        }
    }
    outbox.close().await?;
    let check = Connection::open(dir.join("outbox.db"))?;
    let check: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    assert_eq!(check, "ok", "{what}");
    Ok(kept)
}
