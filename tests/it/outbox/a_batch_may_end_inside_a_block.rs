use nowbridge::measurement::Kind;
use nowbridge::outbox::{
    Batch, DeadLetter, ForgetOptions, Forgetting, HeldBack, NewBatch, OutboxError, Position, Repair, Span,
};
use nowbridge::wire::bridge::{Boot, Seq, Stream};
use uuid::Uuid;

use crate::support::outbox::{Opened, WATCH, batch, block, cloud, open, receipt};

fn part(first: u32, skip: u16, last: u32, upto: Option<u16>) -> Span {
    Span { first: Seq(first), skip, last: Seq(last), upto }
}

async fn persist(it: &Opened, span: Span) -> Result<Batch, OutboxError> {
    it.outbox.persist_batch(NewBatch { span, ..batch(it.log.key, 1, 1) }).await
}

fn letter() -> DeadLetter {
    DeadLetter { reason: "refused".to_owned(), status: Some(422), response: None }
}

#[tokio::test]
async fn and_the_next_begins_there() {
    let it = Opened::new().await;
    let streams = [Stream::HEART_RATE, Stream::BEATS, Stream::HEART_RATE, Stream::HEART_RATE];
    let blocks = (1..).zip(streams).map(|(seq, stream)| block(seq, stream)).collect();
    it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();

    // Blocks have 60 samples each.
    let first = persist(&it, part(1, 0, 3, Some(20))).await.unwrap();
    assert_eq!(first.samples, 80);
    it.outbox.settle(first.key, receipt()).await.unwrap();
    let left = it.outbox.backlog(&cloud()).await.unwrap();
    let left = left.iter().find(|left| left.kind == Kind::HeartRate).unwrap();
    assert_eq!((left.unsent_from, left.skip, left.blocks, left.samples), (Seq(3), 20, 2, 100));

    for wrong in [part(3, 0, 3, None), part(3, 21, 3, None), part(4, 0, 4, None)] {
        let error = persist(&it, wrong).await.unwrap_err();
        let expected = Some(Position { seq: Seq(3), sample: 20 });
        assert!(matches!(error, OutboxError::NotNext { expected: next, .. } if next == expected), "{error}");
    }
    let nothing = persist(&it, part(3, 20, 3, Some(20))).await.unwrap_err();
    assert!(matches!(nothing, OutboxError::BadRange { .. }), "{nothing}");

    let one = persist(&it, part(3, 20, 3, Some(21))).await.unwrap();
    assert_eq!(it.outbox.dead_letter(one.key, letter()).await.unwrap(), 1);
    let dead = it.outbox.left_out(&cloud(), (it.log.key, Kind::HeartRate), (Seq(1), Seq(9))).await.unwrap();
    assert_eq!(dead, [part(3, 20, 3, Some(21))]);
    // To the end of a block is the whole block.
    let rest = persist(&it, part(3, 21, 4, Some(60))).await.unwrap();
    assert_eq!((rest.span, rest.samples), (part(3, 21, 4, None), 99));
    let grown = it
        .outbox
        .recut(rest.key, NewBatch { span: part(3, 21, 5, Some(1)), ..batch(it.log.key, 1, 1) })
        .await;
    assert!(matches!(grown.unwrap_err(), OutboxError::NotARecut(_)));
    it.outbox.settle(rest.key, receipt()).await.unwrap();
    let tally = it.outbox.tallies(&cloud()).await.unwrap()[0];
    assert_eq!((tally.sent, tally.dead, tally.held, tally.missed), (179, 1, 0, 0));
}

#[tokio::test]
async fn a_repair_ends_where_sending_has_come_to() {
    let it = Opened::new().await;
    it.append(1..=4).await.unwrap();
    let sent = persist(&it, part(1, 0, 2, Some(30))).await.unwrap();
    it.outbox.settle(sent.key, receipt()).await.unwrap();
    let lost =
        |first, last| Repair { log: it.log.key, kind: Kind::HeartRate, first: Seq(first), last: Seq(last) };
    it.outbox.ask_repairs(&cloud(), vec![lost(1, 2), lost(1, 2), lost(3, 4)]).await.unwrap();
    let errands = it.outbox.errands(&cloud()).await.unwrap();
    assert_eq!(errands.iter().map(|errand| errand.span).collect::<Vec<_>>(), [part(1, 0, 2, Some(30))]);
}

#[tokio::test]
async fn what_is_kept_back_is_not_forgotten_unasked() {
    let it = Opened::new().await;
    it.append(1..=1).await.unwrap();
    let (sink, log, kind) = (cloud(), it.log.key, Kind::HeartRate);
    let (cause, detail) = ("no date".to_owned(), String::new());
    let span = part(1, 0, 1, None);
    it.outbox.hold_back(HeldBack { sink, log, kind, span, boot: Boot(1), cause, detail }).await.unwrap();
    let told = it.outbox.forget(WATCH, vec![cloud()], ForgetOptions::default()).await.unwrap();
    assert_eq!(told, Forgetting::Unsent { samples: 60, sink: cloud() });
}

#[tokio::test]
async fn what_is_held_back_is_one_run_as_long_as_it_goes_on() {
    let it = Opened::new().await;
    it.append(1..=4).await.unwrap();
    let run = |span, cause: &str| HeldBack {
        sink: cloud(),
        log: it.log.key,
        kind: Kind::HeartRate,
        span,
        boot: Boot(1),
        cause: cause.to_owned(),
        detail: String::new(),
    };
    // A batch of it may have been under way.
    let open = persist(&it, part(1, 0, 2, None)).await.unwrap();
    for (span, cause) in [
        (part(1, 0, 1, Some(30)), "no date"),
        (part(1, 30, 2, None), "no date"),
        (part(3, 0, 3, Some(5)), "implausible date"),
    ] {
        it.outbox.hold_back(run(span, cause)).await.unwrap();
    }
    let gone = it.outbox.settle(open.key, receipt()).await.unwrap_err();
    assert!(matches!(gone, OutboxError::NotOpen { .. }), "{gone}");
    let held = it.outbox.quarantine().await.unwrap();
    let told: Vec<_> = held.iter().map(|run| (run.span, run.samples)).collect();
    assert_eq!(told, [(part(1, 0, 2, None), 120), (part(3, 0, 3, Some(5)), 5)]);

    let errand = it.outbox.release(held[0].key).await.unwrap().unwrap();
    assert_eq!(it.outbox.release(held[0].key).await.unwrap(), None);
    let sent = NewBatch { span: errand.span, errand: Some(errand.key), ..batch(it.log.key, 1, 1) };
    let sent = it.outbox.persist_batch(sent).await.unwrap();
    it.outbox.settle(sent.key, receipt()).await.unwrap();
    let tally = it.outbox.tallies(&cloud()).await.unwrap()[0];
    assert_eq!((tally.sent, tally.held, it.outbox.quarantine().await.unwrap().len()), (120, 5, 1));
    assert_eq!(it.outbox.backlog(&cloud()).await.unwrap()[0].samples, 115);
}

/// The key of a batch in an outbox that is written anew with every call, under one queue id.
async fn key_of(span: Span, hash: [u8; 32]) -> Uuid {
    let it = Opened::new().await;
    it.append(1..=4).await.unwrap();
    let Opened { dir, outbox, log, .. } = it;
    outbox.close().await.unwrap();
    let database = rusqlite::Connection::open(dir.path().join("outbox.db")).unwrap();
    database.execute("UPDATE meta SET value = ?1 WHERE key = 'queue_id'", [Uuid::nil().to_string()]).unwrap();
    drop(database);
    let outbox = open(dir.path()).await.unwrap();
    let new = NewBatch { span, csv_sha256: hash, ..batch(log.key, 1, 1) };
    outbox.persist_batch(new).await.unwrap().idempotency_key
}

#[tokio::test]
async fn the_same_content_has_the_same_key_and_no_other_has() {
    let whole = Span::blocks(Seq(1), Seq(2));
    let key = key_of(whole, [1; 32]).await;
    assert_eq!(key, key_of(whole, [1; 32]).await);
    assert_ne!(key, key_of(whole, [2; 32]).await);
    assert_ne!(key, key_of(part(1, 0, 2, Some(59)), [1; 32]).await);
    assert_eq!(key.get_version_num(), 8);

    // Replaced by its equal, it gets another.
    let it = Opened::new().await;
    it.append(1..=4).await.unwrap();
    let first = persist(&it, whole).await.unwrap();
    let second = it.outbox.recut(first.key, batch(it.log.key, 1, 2)).await.unwrap();
    let third = it.outbox.recut(second.key, batch(it.log.key, 1, 2)).await.unwrap();
    let mut keys = [first, second, third].map(|batch| batch.idempotency_key).to_vec();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}
