//! The child that is traced: a test that only works when it is told where.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nowbridge::wire::bridge::{LogId, Seq, Stream};
use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::trace::{CALLS, PROMISES, Trace};
use crate::support::outbox::{WATCH, batch, block, open, receipt};

/// Enough for the log to be folded into the database several times.
const COMMITS: u32 = 160;
const BLOCKS_A_COMMIT: u32 = 16;
/// Too few for the log to be folded.
pub const COMMITS_UNFOLDED: u32 = 15;
/// A batch is settled after so many commits.
const COMMITS_A_BATCH: u32 = 10;

const DIRECTORY: &str = "NOWBRIDGE_POWER_DIRECTORY";
const FLUSHING: &str = "NOWBRIDGE_POWER_FLUSHING";
/// Where promises are written to, if not beside the outbox; then the child never ends by itself.
const PROMISES_ELSEWHERE: &str = "NOWBRIDGE_POWER_PROMISES";
const CHILD: &str = "power::cut::writer::writes_and_says_so";

/// How the child flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushing {
    /// As the outbox does.
    Full,
    /// Only when the log is folded into the database. The child opens the file itself for that: the outbox has no such setting.
    Normal,
}

/// What the child did; `None` if it cannot be watched.
pub fn traced(flushing: Flushing) -> Option<Trace> {
    let dir = TempDir::new().unwrap();
    let (written, log) = (fs::canonicalize(dir.path()).unwrap().join("outbox"), dir.path().join("trace"));
    fs::create_dir(&written).unwrap();
    let traced = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "100000", "-e", CALLS, "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, &written)
        .env(FLUSHING, format!("{flushing:?}"))
        .output();
    let output = traced.ok()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !printed.contains("1 passed") && fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
        return None;
    }
    assert!(printed.contains("1 passed"), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    Some(Trace::read(&fs::read_to_string(&log).unwrap(), &written))
}

/// Starts a child that writes to `dir` until it is stopped, and what it promises to another file.
pub fn endless(flushing: Flushing, dir: &Path, promises: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, dir)
        .env(FLUSHING, format!("{flushing:?}"))
        .env(PROMISES_ELSEWHERE, promises)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "writes only when the stories beside it start it"]
async fn writes_and_says_so() {
    let Some(dir) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let elsewhere = std::env::var_os(PROMISES_ELSEWHERE).map(PathBuf::from);
    let commits = if elsewhere.is_some() { u32::MAX / BLOCKS_A_COMMIT } else { COMMITS };
    let is_endless = elsewhere.is_some();
    let mut promises = File::create(elsewhere.unwrap_or_else(|| dir.join(PROMISES))).unwrap();
    let mut promise =
        |what: &str, seq: u32| promises.write_all(format!("{what} {seq}\n").as_bytes()).unwrap();
    if std::env::var(FLUSHING).is_ok_and(|flushing| flushing == "Normal") {
        write_unflushed(&dir, commits.min(COMMITS), promise, is_endless).await;
        return;
    }
    let outbox = open(&dir).await.unwrap();
    let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
    for commit in 1..=commits {
        let blocks = numbers(commit).map(|seq| block(seq, Stream::HEART_RATE)).collect();
        let appended = outbox.append(log.key, session, blocks, vec![]).await.unwrap();
        promise("stored", appended.cursor.0);
        if commit.is_multiple_of(COMMITS_A_BATCH) {
            let (first, last) = (*numbers(commit + 1 - COMMITS_A_BATCH).start(), *numbers(commit).end());
            let batch = outbox.persist_batch(batch(log.key, first, last)).await.unwrap();
            outbox.settle(batch.key, receipt()).await.unwrap();
            promise("sent", last);
        }
    }
    // No farewell: closing would fold the log into the database.
    std::mem::forget(outbox);
}

fn numbers(commit: u32) -> std::ops::RangeInclusive<u32> {
    (commit - 1) * BLOCKS_A_COMMIT + 1..=commit * BLOCKS_A_COMMIT
}

/// The same rows in the same transactions, with the one setting changed that it is all about.
async fn write_unflushed(dir: &Path, commits: u32, mut promise: impl FnMut(&str, u32), is_endless: bool) {
    let outbox = open(dir).await.unwrap();
    let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
    outbox.close().await.unwrap();
    let mut file = Connection::open(dir.join("outbox.db")).unwrap();
    file.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 256").unwrap();
    for commit in 1..=commits {
        let transaction = file.transaction().unwrap();
        for new in numbers(commit).map(|seq| block(seq, Stream::HEART_RATE)) {
            let values = params![
                log.key,
                new.seq,
                session,
                new.boot,
                new.t0_ms.cast_signed(),
                new.stream,
                new.samples,
                &new.body[..]
            ];
            let insert = "INSERT INTO block (log, seq, session, received_s, boot, t0_ms, stream, n, body) \
                          VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8)";
            transaction.execute(insert, values).unwrap();
        }
        let last = *numbers(commit).end();
        transaction.execute("UPDATE log SET cursor = ?2 WHERE id = ?1", params![log.key, last]).unwrap();
        transaction.commit().unwrap();
        promise("stored", last);
        if is_endless && commit == COMMITS_UNFOLDED {
            // The log is not folded yet, so nothing at all was flushed.
            std::future::pending::<()>().await;
        }
    }
    std::mem::forget(file);
}
