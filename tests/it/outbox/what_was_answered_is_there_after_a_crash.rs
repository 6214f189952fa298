use std::fs;
use std::path::Path;

use nowbridge::outbox::SessionReport;
use nowbridge::wire::bridge::{Seq, Stream};
use tempfile::TempDir;

use crate::support::outbox::{Opened, WATCH, batch, block, cloud, open, receipt};

/// What a power cut would leave of an outbox that is still open.
fn as_if_power_were_cut(dir: &Path) -> TempDir {
    let left = TempDir::new().unwrap();
    for name in ["outbox.db", "outbox.db-wal"] {
        fs::copy(dir.join(name), left.path().join(name)).unwrap();
    }
    left
}

#[tokio::test]
async fn blocks_cursor_and_batch_survive_a_power_cut() {
    let it = Opened::new().await;
    it.append(1..=200).await.unwrap();
    let sent = it.outbox.persist_batch(batch(it.log.key, 1, 50)).await.unwrap();
    it.outbox.settle(sent.key, receipt()).await.unwrap();
    let open_batch = it.outbox.persist_batch(batch(it.log.key, 51, 60)).await.unwrap();

    let left = as_if_power_were_cut(it.dir.path());
    let again = open(left.path()).await.unwrap();
    assert_eq!(again.queue_id(), it.outbox.queue_id());
    assert_eq!(again.logs().await.unwrap()[0].cursor, Seq(200));
    assert_eq!(again.open_batch(&cloud(), it.log.key, open_batch.kind).await.unwrap(), Some(open_batch));
    assert_eq!(again.backlog(&cloud()).await.unwrap(), it.outbox.backlog(&cloud()).await.unwrap());
    let last = again.block_before(it.log.key, Stream::HEART_RATE, Seq(u32::MAX)).await.unwrap().unwrap();
    assert_eq!((last.seq, last.body), (Seq(200), block(200, Stream::HEART_RATE).body));
}

#[tokio::test]
async fn a_handle_dropped_without_a_word_loses_nothing() {
    let Opened { dir, outbox, log, session } = Opened::new().await;
    let appends = (1..=8).map(|seq| {
        let outbox = outbox.clone();
        tokio::spawn(async move {
            // Whoever comes before its turn is refused, and must not disturb the others.
            outbox.append(log.key, session, vec![block(seq, Stream::BEATS)], vec![]).await.is_ok()
        })
    });
    let mut answered = 0;
    for append in appends.collect::<Vec<_>>() {
        answered += u32::from(append.await.unwrap());
    }
    drop(outbox);
    let again = open(dir.path()).await.unwrap();
    assert!(answered >= 1);
    assert_eq!(again.logs().await.unwrap()[0].cursor, Seq(answered));
}

#[tokio::test]
async fn a_session_that_nobody_ended_is_told_as_interrupted() {
    let Opened { dir, outbox, log, session } = Opened::new().await;
    let report = SessionReport {
        log: Some(log.key),
        outcome: "done".to_owned(),
        fetched: 3,
        new: 2,
        duplicate: 1,
        rejected: 0,
        newest: None,
    };
    outbox.end_session(session, report.clone()).await.unwrap();
    outbox.begin_session(WATCH, None).await.unwrap();
    assert_eq!(outbox.sessions(1).await.unwrap()[0].report, None);
    outbox.close().await.unwrap();
    let sessions = open(dir.path()).await.unwrap().sessions(10).await.unwrap();
    assert_eq!(sessions[0].report.as_ref().unwrap().outcome, "interrupted");
    assert_eq!((sessions[0].ended, sessions[1].report.as_ref()), (None, Some(&report)));
}
