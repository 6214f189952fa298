//! Any call to the system fails, once in a while or for a while: no room, a hiccup of the disk, no more open files.
//! Whoever asked hears of it by name and may try again; nothing that was answered is lost, nothing panics, and when the disk is well,
//! all is.
//!
//! A child works on an outbox while strace makes its calls fail. Without strace this is told as skipped.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nowbridge::outbox::{Outbox, OutboxError};
use nowbridge::wire::bridge::{LogId, Seq, Stream};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::outbox::{WATCH, batch, block, cloud, open, receipt};

const DIRECTORY: &str = "NOWBRIDGE_FAILING_DISK";
const REPORT: &str = "NOWBRIDGE_FAILING_DISK_REPORT";
const CHILD: &str = "outbox::a_disk_fails_at_any_call::works_and_says_what_was_answered";
/// The files whose calls fail.
const FILES: [&str; 4] = ["outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.ballast"];
/// The last ones are in no batch.
const COMMITS: u32 = 65;
const BLOCKS_A_COMMIT: u32 = 24;
const COMMITS_A_BATCH: u32 = 10;
/// Far more often than any trouble here lasts.
const ATTEMPTS: u32 = 400;

/// Locks are not among them: no system lets an unlocking fail, and SQLite goes by that.
/// Calls, what they answer, and when: the first that fails, and every so manieth after that, or all up to another.
const TROUBLES: [(&str, &str, &str); 13] = [
    ("pwrite64", "ENOSPC", "1+79"),
    ("pwrite64", "ENOSPC", "40+89"),
    ("pwrite64", "ENOSPC", "300..420"),
    ("pwrite64", "EIO", "7+73"),
    ("pwrite64", "EIO", "200..260"),
    ("pwrite64", "EDQUOT", "90..200"),
    ("fsync,fdatasync", "EIO", "1+5"),
    ("fsync,fdatasync", "EIO", "4+7"),
    ("fsync,fdatasync", "EIO", "9..40"),
    ("pread64", "EIO", "3+211"),
    ("ftruncate,fallocate", "ENOSPC", "1+2"),
    ("openat", "EMFILE", "2+9"),
    ("openat", "EMFILE", "3..14"),
];

/// What the child has to say.
#[derive(Debug, Default)]
struct Report {
    stored: u32,
    sent: u32,
    errors: u32,
    ended: bool,
}

impl Report {
    fn read(file: &Path) -> Self {
        let mut report = Self::default();
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            match line.split_once(' ') {
                Some(("stored", seq)) => report.stored = seq.parse().unwrap(),
                Some(("sent", seq)) => report.sent = seq.parse().unwrap(),
                Some(("error", _)) => report.errors += 1,
                _ => report.ended |= line == "end",
            }
        }
        report
    }
}

#[tokio::test]
async fn and_nothing_that_was_answered_is_lost() {
    let mut silent = Vec::new();
    for trouble in TROUBLES {
        let Some((dir, report)) = troubled(trouble) else {
            eprintln!("SKIPPED: nobody can make the disk fail here (that takes strace)");
            return;
        };
        eprintln!("{trouble:?}: {report:?}");
        assert!(report.ended, "{trouble:?}: it gave up: {report:?}");
        look(dir.path(), &report).await;
        if report.errors == 0 {
            silent.push(trouble);
        }
    }
    // A file that cannot be grown ahead troubles nobody.
    assert!(silent.len() <= 3, "of these nobody noticed anything: {silent:?}");
}

/// Lets the child work while its calls fail.
fn troubled((calls, error, when): (&str, &str, &str)) -> Option<(TempDir, Report)> {
    let dir = TempDir::new().unwrap();
    let (root, report) = (fs::canonicalize(dir.path()).unwrap(), dir.path().join("report"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:error={error}:when={when}")]);
    for file in FILES {
        strace.arg("-P").arg(root.join(file));
    }
    strace.arg(std::env::current_exe().unwrap());
    strace.args(["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"]);
    let output = strace.env(DIRECTORY, &root).env(REPORT, &report).output().ok()?;
    let (printed, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if printed.is_empty() {
        return None;
    }
    assert!(printed.contains("1 passed"), "{calls} {error} {when}: {printed}{complained}");
    assert!(!complained.contains("panicked"), "{calls} {error} {when}: {complained}");
    Some((dir, Report::read(&report)))
}

/// The disk is well again: everything that was answered is there, and it can be gone on with.
async fn look(dir: &Path, report: &Report) {
    let outbox = open(dir).await.unwrap();
    assert!(!dir.join("outbox.db.corrupt-1").exists(), "a disk that fails is not a damaged outbox");
    let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    assert_eq!((log.cursor.0, report.stored), (COMMITS * BLOCKS_A_COMMIT, log.cursor.0));
    let all = outbox.blocks(log.key, Stream::HEART_RATE, Seq(0)..=Seq(u32::MAX), u32::MAX).await.unwrap();
    let numbers: Vec<u32> = all.iter().map(|stored| stored.seq.0).collect();
    // What was sent may have made way.
    let unsent: Vec<u32> = numbers.iter().copied().filter(|number| *number > report.sent).collect();
    assert_eq!(unsent, (report.sent + 1..=report.stored).collect::<Vec<_>>());
    assert!(all.iter().all(|stored| stored.body == block(stored.seq.0, Stream::HEART_RATE).body));
    let unsent = outbox.backlog(&cloud()).await.unwrap();
    assert_eq!(unsent.first().map_or(report.stored, |waiting| waiting.unsent_from.0 - 1), report.sent);
    outbox.close().await.unwrap();
    let check = Connection::open(dir.join("outbox.db")).unwrap();
    let check: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test]
#[ignore = "works only when the story beside it starts it"]
async fn works_and_says_what_was_answered() {
    let Some(dir) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let mut told = Told { file: std::env::var_os(REPORT).unwrap().into(), text: String::new() };
    let outbox = told.insist(async || open(&dir).await).await;
    let log = told.insist(async || outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await).await;
    let session = told.insist(async || outbox.begin_session(WATCH, Some(log.key)).await).await;
    for commit in 1..=COMMITS {
        let numbers = (commit - 1) * BLOCKS_A_COMMIT + 1..=commit * BLOCKS_A_COMMIT;
        let blocks: Vec<_> = numbers.map(|seq| block(seq, Stream::HEART_RATE)).collect();
        let append = async || outbox.append(log.key, session, blocks.clone(), vec![]).await;
        let appended = told.insist(append).await;
        told.say(&format!("stored {}", appended.cursor));
        if commit.is_multiple_of(COMMITS_A_BATCH) {
            told.deliver(&outbox, &log, commit * BLOCKS_A_COMMIT).await;
            told.insist(async || outbox.tidy().await).await;
            told.insist(async || outbox.summary(&cloud()).await).await;
        }
    }
    // No farewell: closing is not what this is about.
    std::mem::forget(outbox);
    told.say("end");
}

struct Told {
    file: PathBuf,
    text: String,
}

impl Told {
    fn say(&mut self, line: &str) {
        writeln!(self.text, "{line}").unwrap();
        fs::write(&self.file, &self.text).unwrap();
    }

    /// Tries until it is done; every error on the way must be one that may pass, or say that the file cannot be read.
    async fn insist<T>(&mut self, attempt: impl AsyncFn() -> Result<T, OutboxError>) -> T {
        for _ in 0..ATTEMPTS {
            match attempt().await {
                Ok(done) => return done,
                Err(error) => {
                    self.say(&format!("error {error:?}"));
                    // SQLite calls a page damaged that could not be read.
                    let is_named =
                        matches!(error, OutboxError::CannotUse { .. } | OutboxError::Corrupt { .. });
                    assert!(error.is_transient() || is_named, "{error:?}");
                }
            }
        }
        panic!(
            "it does not pass; the end of what was told: {}",
            &self.text[self.text.len().saturating_sub(500)..]
        );
    }

    /// A batch of everything since the last one, and its receipt.
    async fn deliver(&mut self, outbox: &Outbox, log: &nowbridge::outbox::Log, last: u32) {
        let first = last - COMMITS_A_BATCH * BLOCKS_A_COMMIT + 1;
        let sent = self.insist(async || outbox.persist_batch(batch(log.key, first, last)).await).await;
        self.insist(async || outbox.settle(sent.key, receipt()).await).await;
        self.say(&format!("sent {last}"));
    }
}
