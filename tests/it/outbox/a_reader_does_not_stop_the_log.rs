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

#[tokio::test]
async fn whoever_reads_on_our_behalf_for_long_keeps_no_log() {
    let it = Opened::new().await;
    let wal = it.dir.path().join("outbox.db-wal");
    fill(&it, 1, 5_000).await;
    // An export that somebody has stopped in the middle, and looks at everything, one after the other.
    let mut export = it.outbox.export(nowbridge::outbox::ExportQuery::default()).await.unwrap();
    export.next_page().await.unwrap();
    let outbox = it.outbox.clone();
    let looking = tokio::spawn(async move {
        loop {
            // One that is ended for the log's sake is asked for again.
            let _ = outbox.summary(&cloud()).await;
        }
    });
    let mut longest = 0;
    for first in (5_001..45_000).step_by(500) {
        fill(&it, first, 500).await;
        longest = longest.max(std::fs::metadata(&wal).unwrap().len());
    }
    looking.abort();
    assert!(longest <= 6 << 20, "the log has grown to {longest} bytes");
}
