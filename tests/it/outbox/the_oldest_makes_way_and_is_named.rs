use std::time::Duration;

use nowbridge::measurement::Kind;
use nowbridge::outbox::{
    BatchState, DeadLetter, GapCause, HeldBack, Limits, NewBatch, Outbox, OutboxError, Room, RoomLimit, Span,
    StreamSummary, Tidied,
};
use nowbridge::wire::bridge::{Boot, LogId, Seq, Stream};
use tempfile::TempDir;

use crate::support::outbox::{WATCH, batch, cloud, full_block, open_limited, receipt};

const LIMITS: Limits =
    Limits { max_size: 16 << 20, keep_free: 0, keep_sent: Duration::from_hours(24), wear_saver: false };
const GROUP: u32 = 1_000;

/// Fills an outbox to its cap with heart rate and beats by turns. Returns the number of the last block that was taken.
async fn filled(dir: &TempDir, settle_first: bool) -> (Outbox, u32) {
    let outbox = open_limited(dir.path(), LIMITS).await.unwrap();
    let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
    let mut seen = Vec::new();
    for first in (1..).step_by(GROUP as usize) {
        let blocks = (first..first + GROUP)
            .map(|seq| full_block(seq, if seq % 2 == 0 { Stream::BEATS } else { Stream::HEART_RATE }));
        match outbox.append(log.key, session, blocks.collect(), vec![]).await {
            Ok(_) => seen.push(*outbox.room().borrow()),
            Err(error) => {
                assert!(error.is_transient() && matches!(error, OutboxError::CapReached { .. }), "{error}");
                let near = Room::Near { limit: RoomLimit::Cap };
                assert!(seen.contains(&Room::Ample) && seen.contains(&near), "{seen:?}");
                assert_eq!(*outbox.room().borrow(), Room::Full { limit: RoomLimit::Cap });
                return (outbox, first - 1);
            }
        }
        if settle_first && first == 1 {
            let sent = outbox.persist_batch(batch(log.key, 1, GROUP - 1)).await.unwrap();
            outbox.settle(sent.key, receipt()).await.unwrap();
        }
    }
    unreachable!()
}

#[tokio::test(start_paused = true)]
async fn the_file_stays_below_its_cap_and_receipts_are_still_stored() {
    let dir = TempDir::new().unwrap();
    let (outbox, _) = filled(&dir, true).await;
    let log = outbox.logs().await.unwrap()[0];
    for first in (GROUP + 1..).step_by(20).take(200) {
        let next = outbox.persist_batch(batch(log.key, first, first + 19)).await.unwrap();
        outbox.settle(next.key, receipt()).await.unwrap();
    }
    outbox.close().await.unwrap();
    let bytes = std::fs::metadata(dir.path().join("outbox.db")).unwrap().len();
    assert!(bytes <= LIMITS.max_size, "{bytes}");
}

#[tokio::test(start_paused = true)]
async fn what_goes_is_the_oldest_and_leaves_one_gap_a_stream() {
    let dir = TempDir::new().unwrap();
    let (outbox, last) = filled(&dir, true).await;
    let log = outbox.logs().await.unwrap()[0];
    let open = outbox.persist_batch(batch(log.key, GROUP + 1, GROUP + 7)).await.unwrap();
    let Tidied { freed, evicted, .. } = outbox.tidy().await.unwrap();
    assert!(evicted > 500, "{evicted} blocks evicted, {freed} freed");
    assert!(outbox.tidy().await.unwrap().evicted == 0, "there is room again");

    let gaps = outbox.gaps(10).await.unwrap();
    let told: Vec<_> = gaps.iter().map(|gap| (gap.stream.unwrap(), gap.from.0, gap.cause)).collect();
    // Of the heart rate the first thousand was sent; of the beats nothing.
    let first_lost = [(Stream::HEART_RATE, GROUP + 1), (Stream::BEATS, 2)];
    let mut expected = first_lost.map(|(stream, from)| (stream, from, GapCause::Evicted)).to_vec();
    expected.sort();
    let mut told = told;
    told.sort();
    assert_eq!(told, expected, "{gaps:?}");

    let error = outbox.settle(open.key, receipt()).await.unwrap_err();
    assert!(matches!(error, OutboxError::NotOpen { state: BatchState::Recut, .. }), "{error}");
    let summary = outbox.summary(&cloud()).await.unwrap();
    let missed: u64 = summary.streams.iter().map(|row| row.missed).sum();
    assert_eq!(
        (missed, summary.streams.iter().map(StreamSummary::accepted).sum()),
        (summary.evicted_samples, u64::from(last) * 200)
    );
    let waiting = outbox.backlog(&cloud()).await.unwrap();
    for row in &summary.streams {
        let of_kind = waiting.iter().find(|backlog| Some(backlog.kind) == row.kind).unwrap();
        assert_eq!(of_kind.samples, row.unsent(), "{row:?}");
        assert_eq!(row.uploaded, if row.kind == Some(Kind::HeartRate) { 100_000 } else { 0 });
    }

    // The cursor stands, what was evicted is not wanted again, and there is room for more.
    assert_eq!(outbox.logs().await.unwrap()[0].cursor, Seq(last));
    let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
    let old = vec![full_block(1, Stream::HEART_RATE), full_block(2, Stream::BEATS)];
    assert_eq!(outbox.append(log.key, session, old, vec![]).await.unwrap().duplicate, 2);
    let new = vec![full_block(last + 1, Stream::BEATS)];
    assert_eq!(outbox.append(log.key, session, new, vec![]).await.unwrap().new, 1);
}

/// One run in quarantine, and one that has left it and waits to be sent: both reach beyond what goes.
#[tokio::test(start_paused = true)]
async fn of_what_is_kept_back_only_what_goes_is_missed() {
    for let_go in [false, true] {
        let dir = TempDir::new().unwrap();
        let (outbox, last) = filled(&dir, false).await;
        let log = outbox.logs().await.unwrap()[0];
        let run = HeldBack {
            sink: cloud(),
            log: log.key,
            kind: Kind::HeartRate,
            span: Span::blocks(Seq(1), Seq(if last % 2 == 0 { last - 1 } else { last })),
            boot: Boot(1),
            cause: "no date".to_owned(),
            detail: String::new(),
        };
        outbox.hold_back(run).await.unwrap();
        if let_go {
            let held = outbox.quarantine().await.unwrap()[0].key;
            outbox.release(held).await.unwrap().unwrap();
        }
        let evicted = outbox.tidy().await.unwrap().evicted;
        assert!(evicted > 500, "{evicted} blocks evicted");
        let gaps = outbox.gaps(10).await.unwrap();
        let gone: u64 =
            gaps.iter().filter(|gap| gap.stream == Some(Stream::HEART_RATE)).map(|gap| gap.samples).sum();
        let tallies = outbox.tallies(&cloud()).await.unwrap();
        let tally = tallies.iter().find(|tally| tally.kind == Kind::HeartRate).unwrap();
        let all = u64::from(last.div_ceil(2)) * 200;
        assert!(gone > 0);
        assert_eq!((tally.missed, tally.held), (gone, all - gone), "let go: {let_go}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_evicted_while_something_can_be_freed() {
    let dir = TempDir::new().unwrap();
    let (outbox, last) = filled(&dir, false).await;
    let log = outbox.logs().await.unwrap()[0];
    for kind in [Kind::HeartRate, Kind::HeartBeat] {
        let new = NewBatch { kind, ..batch(log.key, if kind == Kind::HeartRate { 1 } else { 2 }, last / 2) };
        let sent = outbox.persist_batch(new).await.unwrap();
        outbox.settle(sent.key, receipt()).await.unwrap();
    }
    let tidied = outbox.tidy().await.unwrap();
    assert!(tidied.freed > u64::from(last) / 3 && tidied.evicted == 0, "{tidied:?}");
    assert!(outbox.gaps(10).await.unwrap().is_empty());
    assert_eq!(*outbox.room().borrow(), Room::Ample);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_not_called_lost_because_a_dead_letter_keeps_it_from_being_freed() {
    let dir = TempDir::new().unwrap();
    let (outbox, last) = filled(&dir, false).await;
    let log = outbox.logs().await.unwrap()[0];
    let poison = outbox.persist_batch(batch(log.key, 1, 1)).await.unwrap();
    let letter = DeadLetter { reason: "refused".to_owned(), status: Some(422), response: None };
    outbox.dead_letter(poison.key, letter).await.unwrap();
    for (kind, first) in [(Kind::HeartRate, 3), (Kind::HeartBeat, 2)] {
        let new = NewBatch { kind, ..batch(log.key, first, last) };
        let sent = outbox.persist_batch(new).await.unwrap();
        outbox.settle(sent.key, receipt()).await.unwrap();
    }
    let tidied = outbox.tidy().await.unwrap();
    assert!(tidied.freed + tidied.evicted > 500, "{tidied:?}");
    assert!(outbox.gaps(10).await.unwrap().is_empty());
    assert_eq!(outbox.summary(&cloud()).await.unwrap().evicted_samples, 0);
}
