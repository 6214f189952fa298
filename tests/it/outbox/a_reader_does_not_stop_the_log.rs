use nowbridge::wire::bridge::Stream;
use rusqlite::Connection;

use crate::support::outbox::{Opened, cloud, full_block};

async fn fill(it: &Opened, first: u32, blocks: u32) {
    for first in (first..first + blocks).step_by(500) {
        let blocks = (first..first + 500).map(|seq| full_block(seq, Stream::HEART_RATE)).collect();
        it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();
    }
}

#[tokio::test]
async fn the_log_has_its_length_from_the_start_and_keeps_it() {
    let it = Opened::new().await;
    let wal = it.dir.path().join("outbox.db-wal");
    let length = || std::fs::metadata(&wal).unwrap().len();
    assert_eq!(length(), 2 << 20);
    fill(&it, 1, 20_000).await;
    assert_eq!(length(), 2 << 20);
    assert_eq!(it.outbox.summary(&cloud()).await.unwrap().wal_bytes, 2 << 20);
}

#[tokio::test]
async fn another_program_that_reads_for_long_is_seen_and_once_it_is_gone_the_log_is_short_again() {
    let it = Opened::new().await;
    fill(&it, 1, 1_000).await;
    let shell = Connection::open(it.dir.path().join("outbox.db")).unwrap();
    shell.execute_batch("BEGIN; SELECT count(*) FROM block").unwrap();
    fill(&it, 1_001, 20_000).await;
    let summary = it.outbox.summary(&cloud()).await.unwrap();
    assert!(summary.wal_starved > 0 && summary.wal_bytes > 4 << 20, "{summary:?}");
    shell.execute_batch("COMMIT").unwrap();
    drop(shell);
    fill(&it, 21_001, 10_000).await;
    assert_eq!(it.outbox.summary(&cloud()).await.unwrap().wal_bytes, 2 << 20);
}
