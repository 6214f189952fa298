//! On a real file system of a few megabytes: another program takes the last byte, and nothing that was accepted is stuck.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nowbridge::measurement::Kind;
use nowbridge::outbox::{Batch, Limits, Log, Outbox, OutboxError, Room, RoomLimit, SessionKey};
use nowbridge::wire::bridge::{LogId, Seq, Stream};
use tempfile::TempDir;

use crate::support::outbox::{WATCH, batch, cloud, full_block, open_limited, receipt};

const LIMITS: Limits =
    Limits { max_size: 16 << 20, keep_free: 0, keep_sent: Duration::from_hours(24), wear_saver: false };

/// A file system of its own. Only root may make one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn of_mebibytes(size: u32) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}m"), "tmpfs"]).arg(dir.path());
        if mount.output().is_ok_and(|done| done.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("SKIPPED: a small disk can only be mounted by root.");
        None
    }

    fn outbox(&self) -> PathBuf {
        self.0.path().join("state")
    }

    /// Another program takes every byte there is.
    fn fill(&self) {
        let mut hog = File::create(self.0.path().join("hog")).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while hog.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.path().join("hog")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

struct Scene {
    outbox: Outbox,
    log: Log,
    session: SessionKey,
}

impl Scene {
    async fn open(dir: &Path) -> Self {
        let outbox = open_limited(dir, LIMITS).await.unwrap();
        let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
        let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
        Self { outbox, log, session }
    }

    async fn append(&self, first: u32, blocks: u32) -> Result<(), OutboxError> {
        let blocks = (first..first + blocks).map(|seq| full_block(seq, Stream::HEART_RATE)).collect();
        self.outbox.append(self.log.key, self.session, blocks, vec![]).await.map(drop)
    }

    async fn persist(&self, first: u32, last: u32) -> Batch {
        for _ in 0..3 {
            match self.outbox.persist_batch(batch(self.log.key, first, last)).await {
                Ok(batch) => return batch,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
        panic!("a batch cannot be written down");
    }

    async fn settle(&self, batch: &Batch) {
        for _ in 0..3 {
            match self.outbox.settle(batch.key, receipt()).await {
                Ok(()) => return,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
        panic!("a receipt cannot be stored");
    }

    /// Sends everything, two blocks at a time.
    async fn drain(&self) {
        while let Some(waiting) = self.outbox.backlog(&cloud()).await.unwrap().first() {
            let first = waiting.unsent_from.0;
            let batch = self.persist(first, first + 1).await;
            self.settle(&batch).await;
        }
    }
}

fn has_ballast(disk: &SmallDisk) -> bool {
    disk.outbox().join("outbox.ballast").exists()
}

#[tokio::test(start_paused = true)]
async fn receipts_are_stored_the_backlog_drains_and_ingest_resumes() {
    let Some(disk) = SmallDisk::of_mebibytes(24) else { return };
    let it = Scene::open(&disk.outbox()).await;
    let room = it.outbox.room();
    it.append(1, 2_000).await.unwrap();
    let open = it.persist(1, 2).await;
    assert_eq!(*room.borrow(), Room::Ample);
    assert!(has_ballast(&disk));

    disk.fill();
    let refused = it.append(2_001, 64).await.unwrap_err();
    assert!(refused.is_transient() && matches!(refused, OutboxError::NoHeadroom { .. }), "{refused}");
    assert_eq!(*room.borrow(), Room::Full { limit: RoomLimit::Disk });
    it.settle(&open).await;
    it.drain().await;
    let receipts = it.outbox.receipts(u32::MAX).await.unwrap();
    assert_eq!(receipts.len(), 1_000);
    assert!(!has_ballast(&disk), "this took more than was there");

    let tidied = it.outbox.tidy().await.unwrap();
    assert!(tidied.freed > 1_900 && tidied.evicted == 0, "{tidied:?}");
    it.append(2_001, 640).await.unwrap();
    it.drain().await;

    disk.empty();
    it.outbox.tidy().await.unwrap();
    assert_eq!(*room.borrow(), Room::Ample);
    assert!(has_ballast(&disk));
    it.append(2_641, 64).await.unwrap();
    let summary = it.outbox.summary(&cloud()).await.unwrap();
    let row = summary.streams[0];
    assert_eq!((row.kind, row.accepted(), row.unsent()), (Some(Kind::HeartRate), 2_704 * 200, 64 * 200));
}

#[tokio::test(start_paused = true)]
async fn a_start_on_a_full_disk_drains_too() {
    let Some(disk) = SmallDisk::of_mebibytes(24) else { return };
    let it = Scene::open(&disk.outbox()).await;
    it.append(1, 1_000).await.unwrap();
    it.outbox.close().await.unwrap();
    disk.fill();
    let it = Scene::open(&disk.outbox()).await;
    it.drain().await;
    assert_eq!(it.outbox.receipts(u32::MAX).await.unwrap().len(), 500);
    it.outbox.tidy().await.unwrap();
    it.append(1_001, 64).await.unwrap();
}
