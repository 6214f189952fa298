use nowbridge::measurement::{Kind, UtcMicros};
use nowbridge::outbox::{Anchor, AnchorSource, BatchState, NewBatch, OutboxError};
use nowbridge::wire::bridge::{Boot, Seq, Stream};

use crate::support::outbox::{NOON, Opened, batch, block, cloud, receipt};

#[tokio::test]
async fn there_is_one_at_a_time() {
    let it = Opened::new().await;
    it.append(1..=10).await.unwrap();
    let open = it.outbox.persist_batch(batch(it.log.key, 1, 4)).await.unwrap();
    let error = it.outbox.persist_batch(batch(it.log.key, 1, 4)).await.unwrap_err();
    assert!(matches!(error, OutboxError::StillOpen(key) if key == open.key), "{error}");
    it.outbox.settle(open.key, receipt()).await.unwrap();
    let next = it.outbox.persist_batch(batch(it.log.key, 5, 8)).await.unwrap();
    assert_ne!(next.idempotency_key, open.idempotency_key);
}

#[tokio::test(start_paused = true)]
async fn a_retry_finds_everything_it_needs() {
    let it = Opened::new().await;
    it.append(1..=10).await.unwrap();
    let anchor = |ticks_us, utc| Anchor {
        boot: Boot(1),
        ticks_us,
        utc: UtcMicros(utc),
        uncertainty_us: 5_000,
        source: AnchorSource::Host,
    };
    let horizon = it.outbox.add_anchor(it.log.key, anchor(1, 100)).await.unwrap();
    let new = NewBatch { anchor_horizon: Some(horizon), ..batch(it.log.key, 1, 4) };
    let persisted = it.outbox.persist_batch(new).await.unwrap();
    assert_eq!((persisted.samples, persisted.state, persisted.created), (240, BatchState::Open, NOON));
    it.outbox.note_attempt(persisted.key, "timed out".to_owned()).await.unwrap();

    let later = it.outbox.add_anchor(it.log.key, anchor(2, 250)).await.unwrap();
    assert!(later > horizon);
    let found = it.outbox.open_batch(&cloud(), it.log.key, Kind::HeartRate).await.unwrap().unwrap();
    assert_eq!((found.idempotency_key, found.csv_sha256), (persisted.idempotency_key, [9; 32]));
    assert_eq!((found.attempts, found.last_error.as_deref()), (1, Some("timed out")));
    let anchors = it.outbox.anchors(it.log.key, found.anchor_horizon).await.unwrap();
    assert_eq!(anchors, [(horizon, anchor(1, 100))]);
}

#[tokio::test]
async fn an_anchor_once_written_never_changes() {
    let it = Opened::new().await;
    let first = Anchor {
        boot: Boot(1),
        ticks_us: u64::MAX,
        utc: NOON,
        uncertainty_us: u32::MAX,
        source: AnchorSource::Watch,
    };
    let key = it.outbox.add_anchor(it.log.key, first).await.unwrap();
    let other = Anchor { utc: UtcMicros(0), ..first };
    assert_eq!(it.outbox.add_anchor(it.log.key, other).await.unwrap(), key);
    assert_eq!(it.outbox.anchors(it.log.key, None).await.unwrap(), [(key, first)]);
}

#[tokio::test]
async fn it_cannot_skip_what_is_unsent() {
    let it = Opened::new().await;
    it.append(1..=10).await.unwrap();
    let error = it.outbox.persist_batch(batch(it.log.key, 2, 4)).await.unwrap_err();
    assert!(
        matches!(error, OutboxError::NotNext { expected: Some(expected), got } if (expected.seq, got.seq) == (Seq(1), Seq(2))),
        "{error}"
    );
    let backwards = it.outbox.persist_batch(batch(it.log.key, 1, 0)).await.unwrap_err();
    assert!(matches!(backwards, OutboxError::BadRange { .. }), "{backwards}");
}

#[tokio::test]
async fn a_batch_too_big_is_replaced_by_a_part_of_it() {
    let it = Opened::new().await;
    it.append(1..=10).await.unwrap();
    let big = it.outbox.persist_batch(batch(it.log.key, 1, 8)).await.unwrap();
    for wrong in [batch(it.log.key, 1, 9), batch(it.log.key, 2, 4)] {
        let error = it.outbox.recut(big.key, wrong).await.unwrap_err();
        assert!(matches!(error, OutboxError::NotARecut(_)), "{error}");
    }
    let small = it.outbox.recut(big.key, batch(it.log.key, 1, 4)).await.unwrap();
    assert_ne!(small.idempotency_key, big.idempotency_key);
    let error = it.outbox.settle(big.key, receipt()).await.unwrap_err();
    assert!(matches!(error, OutboxError::NotOpen { state: BatchState::Recut, .. }), "{error}");
    it.outbox.settle(small.key, receipt()).await.unwrap();
    assert_eq!(it.outbox.backlog(&cloud()).await.unwrap()[0].unsent_from, Seq(5));
}

#[tokio::test]
async fn the_graph_is_made_from_the_blocks_of_heart_rate() {
    let it = Opened::new().await;
    let streams = [Stream::HEART_RATE, Stream::TEMPERATURE, Stream::HEART_RATE];
    let blocks = (1..).zip(streams).map(|(seq, stream)| block(seq, stream)).collect();
    it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();
    let graph = NewBatch { kind: Kind::HeartRateGraph, ..batch(it.log.key, 1, 3) };
    let graph = it.outbox.persist_batch(graph).await.unwrap();
    assert_eq!((graph.stream(), graph.samples), (Stream::HEART_RATE, 120));
    it.outbox.settle(graph.key, receipt()).await.unwrap();
    let summary = it.outbox.summary(&cloud()).await.unwrap();
    let rows: Vec<_> =
        summary.streams.iter().map(|row| (row.kind.unwrap(), row.samples, row.unsent())).collect();
    let expected = [(Kind::HeartRate, 120, 120), (Kind::Temperature, 60, 60), (Kind::HeartRateGraph, 120, 0)];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn the_block_before_a_range_is_found_within_the_stream() {
    let it = Opened::new().await;
    let streams = [Stream::BEATS, Stream::HEART_RATE, Stream::BEATS, Stream::HEART_RATE, Stream::BEATS];
    let blocks = (1..).zip(streams).map(|(seq, stream)| block(seq, stream)).collect();
    it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();
    let number = |found: Option<nowbridge::outbox::StoredBlock>| found.map(|block| block.seq.0);
    let (log, beats) = (it.log.key, Stream::BEATS);
    assert_eq!(number(it.outbox.block_before(log, beats, Seq(3)).await.unwrap()), Some(1));
    assert_eq!(number(it.outbox.block_before(log, beats, Seq(1)).await.unwrap()), None);
    let limited = it.outbox.blocks(log, beats, Seq(1)..=Seq(5), 2).await.unwrap();
    assert_eq!(limited.iter().map(|block| block.seq.0).collect::<Vec<_>>(), [1, 3]);
}
