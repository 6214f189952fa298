use nowbridge::measurement::Kind;
use nowbridge::outbox::{BatchKey, BatchState, DeadLetter, OutboxError, SinkName};
use nowbridge::wire::bridge::{Seq, Stream};

use crate::support::outbox::{NOON, Opened, batch, block, cloud, receipt};

#[tokio::test(start_paused = true)]
async fn a_receipt_frees_what_it_names_and_no_more() {
    let it = Opened::new().await;
    it.append(1..=10).await.unwrap();
    let sent = it.outbox.persist_batch(batch(it.log.key, 1, 4)).await.unwrap();
    it.outbox.settle(sent.key, receipt()).await.unwrap();

    let backlog = it.outbox.backlog(&cloud()).await.unwrap();
    assert_eq!((backlog[0].unsent_from, backlog[0].blocks, backlog[0].samples), (Seq(5), 6, 360));
    let receipts = it.outbox.receipts(10).await.unwrap();
    assert_eq!((receipts[0].batch, receipts[0].status, receipts[0].last), (sent.key, 201, Seq(4)));
    assert_eq!(it.outbox.open_batch(&cloud(), it.log.key, Kind::HeartRate).await.unwrap(), None);
    assert_eq!(it.outbox.summary(&cloud()).await.unwrap().last_receipt, Some(NOON));
}

#[tokio::test]
async fn a_second_receipt_changes_nothing() {
    let it = Opened::new().await;
    it.append(1..=10).await.unwrap();
    let sent = it.outbox.persist_batch(batch(it.log.key, 1, 4)).await.unwrap();
    it.outbox.settle(sent.key, receipt()).await.unwrap();
    let before = it.outbox.summary(&cloud()).await.unwrap();
    let error = it.outbox.settle(sent.key, receipt()).await.unwrap_err();
    assert!(matches!(error, OutboxError::NotOpen { state: BatchState::Sent, .. }), "{error}");
    assert_eq!(it.outbox.summary(&cloud()).await.unwrap().streams, before.streams);
    let unknown = it.outbox.settle(BatchKey(99), receipt()).await.unwrap_err();
    assert!(matches!(unknown, OutboxError::UnknownBatch(BatchKey(99))), "{unknown}");
}

#[tokio::test]
async fn dead_letters_keep_the_bytes_and_let_the_next_batch_pass() {
    let it = Opened::new().await;
    let streams = [Stream::HEART_RATE, Stream::BEATS, Stream::HEART_RATE, Stream::HEART_RATE];
    let blocks = (1..).zip(streams).map(|(seq, stream)| block(seq, stream)).collect();
    it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();
    let poison = it.outbox.persist_batch(batch(it.log.key, 1, 3)).await.unwrap();
    let letter = DeadLetter {
        reason: "refused".to_owned(),
        status: Some(422),
        response: Some("value out of range".to_owned()),
    };
    assert_eq!(it.outbox.dead_letter(poison.key, letter).await.unwrap(), 2);

    let dead = it.outbox.dead_letters(10).await.unwrap();
    let told: Vec<_> =
        dead.iter().map(|row| (row.seq.0, row.samples, row.status, row.body.clone())).collect();
    let body = |seq| block(seq, Stream::HEART_RATE).body;
    assert_eq!(told, [(3, 60, Some(422), body(3)), (1, 60, Some(422), body(1))]);
    assert_eq!(it.stored().await, [1, 3, 4]);
    it.outbox.persist_batch(batch(it.log.key, 4, 4)).await.unwrap();
    let summary = it.outbox.summary(&cloud()).await.unwrap();
    let heart_rate = summary.streams.iter().find(|row| row.kind == Some(Kind::HeartRate)).unwrap();
    assert_eq!((heart_rate.uploaded, heart_rate.dead, heart_rate.unsent()), (0, 120, 60));
}

#[tokio::test]
async fn each_sink_has_a_cursor_of_its_own() {
    let it = Opened::new().await;
    it.append(1..=3).await.unwrap();
    let sent = it.outbox.persist_batch(batch(it.log.key, 1, 3)).await.unwrap();
    it.outbox.settle(sent.key, receipt()).await.unwrap();
    assert!(it.outbox.backlog(&cloud()).await.unwrap().is_empty());
    assert_eq!(it.outbox.backlog(&SinkName("elsewhere".to_owned())).await.unwrap()[0].blocks, 3);
}
