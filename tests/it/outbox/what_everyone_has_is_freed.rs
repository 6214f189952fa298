use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::measurement::{Kind, UtcMicros};
use nowbridge::outbox::{DeadLetter, NewBatch, Outbox, SinkName};
use nowbridge::wire::bridge::{Seq, Stream};
use tempfile::TempDir;

use crate::support::outbox::{NOON, Opened, batch, block, cloud, full_block, receipt};

const NINE_DAYS: Duration = Duration::from_hours(9 * 24);

async fn send(it: &Opened, sink: &SinkName, kind: Kind, first: u32, last: u32) {
    let new = NewBatch { sink: sink.clone(), kind, ..batch(it.log.key, first, last) };
    let batch = it.outbox.persist_batch(new).await.unwrap();
    it.outbox.settle(batch.key, receipt()).await.unwrap();
}

/// Blocks 1 to 100 are nine days old, and block 101 is new.
async fn aged() -> Opened {
    let it = Opened::new().await;
    it.append(1..=100).await.unwrap();
    tokio::time::advance(NINE_DAYS).await;
    it.append([101]).await.unwrap();
    it
}

#[tokio::test(start_paused = true)]
async fn after_a_week_and_only_behind_every_cursor() {
    let it = aged().await;
    assert_eq!(it.outbox.tidy().await.unwrap().freed, 0, "nobody has anything");
    send(&it, &cloud(), Kind::HeartRate, 1, 101).await;
    let folder = SinkName("folder".to_owned());
    send(&it, &folder, Kind::HeartRate, 1, 40).await;
    // The last block before a cursor stays: whoever reads on may need it.
    assert_eq!(it.outbox.tidy().await.unwrap().freed, 39);
    assert_eq!(it.stored().await.first(), Some(&40));
    send(&it, &folder, Kind::HeartRate, 41, 101).await;
    assert_eq!(it.outbox.tidy().await.unwrap().freed, 60);
    assert_eq!(it.stored().await, [100, 101]);
    let before = it.outbox.block_before(it.log.key, Stream::HEART_RATE, Seq(101)).await.unwrap();
    assert_eq!(before.unwrap().seq, Seq(100));

    let summary = it.outbox.summary(&cloud()).await.unwrap();
    assert_eq!((summary.freed_samples, summary.streams[0].accepted()), (99 * 60, 101 * 60));
    assert_eq!((summary.streams[0].unsent(), summary.streams[0].missed), (0, 0));
    // The log goes on as if nothing had happened, and an old block that comes again is no surprise.
    assert_eq!(it.cursor().await, Seq(101));
    assert_eq!(it.append([5, 99, 102]).await.unwrap().duplicate, 2);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_nothing_and_can_still_be_sent_again() {
    let it = aged().await;
    send(&it, &cloud(), Kind::HeartRate, 1, 9).await;
    let poison = it.outbox.persist_batch(batch(it.log.key, 10, 10)).await.unwrap();
    let letter = DeadLetter { reason: "refused".to_owned(), status: Some(422), response: None };
    it.outbox.dead_letter(poison.key, letter).await.unwrap();
    send(&it, &cloud(), Kind::HeartRate, 11, 101).await;
    it.outbox.tidy().await.unwrap();
    assert!(it.stored().await.first() > Some(&10), "the letter has its bytes with it");
    assert_eq!(it.outbox.retry_all_dead().await.unwrap().done.len(), 1);
    assert_eq!(it.outbox.errands(&cloud()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_open_batch_keeps_its_blocks() {
    let it = aged().await;
    send(&it, &cloud(), Kind::HeartRate, 1, 50).await;
    it.outbox.persist_batch(batch(it.log.key, 51, 101)).await.unwrap();
    it.outbox.tidy().await.unwrap();
    assert_eq!(it.stored().await.first(), Some(&50));
}

#[tokio::test(start_paused = true)]
async fn streams_that_nobody_is_sent_go_with_the_others() {
    let it = Opened::new().await;
    let streams = [Stream::EVENTS, Stream::HEART_RATE, Stream::EVENTS, Stream::HEART_RATE];
    let blocks = (1..).zip(streams).map(|(seq, stream)| block(seq, stream)).collect();
    it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();
    tokio::time::advance(NINE_DAYS).await;
    let blocks = (5..).zip(streams).map(|(seq, stream)| block(seq, stream)).collect();
    it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();
    send(&it, &cloud(), Kind::HeartRate, 2, 8).await;
    assert_eq!(it.outbox.tidy().await.unwrap().freed, 2);
    let events = it.outbox.blocks(it.log.key, Stream::EVENTS, Seq(0)..=Seq(9), 9).await.unwrap();
    assert_eq!(events.iter().map(|block| block.seq.0).collect::<Vec<_>>(), [3, 5, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_makes_nothing_old() {
    let it = Opened::new().await;
    it.append(1..=100).await.unwrap();
    send(&it, &cloud(), Kind::HeartRate, 1, 100).await;
    let Opened { dir, outbox, .. } = it;
    outbox.close().await.unwrap();
    let ten_years = UtcMicros(NOON.0 + 3_650 * 86_400 * 1_000_000);
    for wrong in [UtcMicros(0), ten_years] {
        let outbox = Outbox::open(dir.path(), Clock::simulated(wrong)).await.unwrap();
        assert_eq!(outbox.tidy().await.unwrap().freed, 0, "{wrong:?}");
        outbox.close().await.unwrap();
    }
    drop::<TempDir>(dir);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_mostly_empty_gives_pages_back() {
    let it = Opened::new().await;
    let last = 72_000;
    for first in (1..last).step_by(2_000) {
        let blocks = (first..first + 2_000).map(|seq| full_block(seq, Stream::HEART_RATE)).collect();
        it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();
    }
    send(&it, &cloud(), Kind::HeartRate, 1, last).await;
    tokio::time::advance(NINE_DAYS).await;
    it.append([last + 1]).await.unwrap();
    let first = it.outbox.tidy().await.unwrap();
    assert!(first.freed > 70_000 && (1..=8 << 20).contains(&first.vacuumed), "{first:?}");
    while it.outbox.tidy().await.unwrap().vacuumed > 0 {}
    it.outbox.close().await.unwrap();
    let bytes = std::fs::metadata(it.dir.path().join("outbox.db")).unwrap().len();
    assert!((15 << 20..17 << 20).contains(&bytes), "{bytes}: sixteen spare megabytes are kept");
}

#[tokio::test(start_paused = true)]
async fn soon_after_something_has_changed_and_in_the_end_though_nothing_has() {
    let it = aged().await;
    let keeper = it.outbox.clone();
    let keeping = tokio::spawn(async move { keeper.keep_tidy().await });
    // At rest, until what frees them is written down.
    tokio::time::sleep(Duration::from_hours(3)).await;
    assert_eq!(it.stored().await.len(), 101);
    send(&it, &cloud(), Kind::HeartRate, 1, 101).await;
    tokio::time::sleep(Duration::from_secs(65)).await;
    assert_eq!(it.stored().await, [100, 101]);

    it.append(102..=110).await.unwrap();
    send(&it, &cloud(), Kind::HeartRate, 102, 110).await;
    tokio::time::advance(NINE_DAYS).await;
    it.append([111]).await.unwrap();
    send(&it, &cloud(), Kind::HeartRate, 111, 111).await;
    tokio::time::sleep(Duration::from_mins(12)).await;
    assert_eq!(it.stored().await, [110, 111]);
    keeping.abort();
}
