//! A sink that is added to an outbox that has been at work for long: how far back it begins, decided once.

use std::time::Duration;

use nowbridge::config::SinkStart;
use nowbridge::measurement::Kind;
use nowbridge::outbox::{Outbox, SinkCounts, SinkName};
use nowbridge::wire::bridge::{LogId, Stream};
use tokio::time::advance;

use crate::support::outbox::{Opened, WATCH, block, cloud, gap};

const DAY: Duration = Duration::from_hours(24);
/// Samples in a block.
const BLOCK: u64 = 60;

fn sink(name: &str) -> SinkName {
    SinkName(name.to_owned())
}

/// Blocks 1 to 10 ten days ago, 11 to 20 a day ago, each of the first ten followed by one of temperature.
async fn worn_for_long() -> Opened {
    let opened = Opened::new().await;
    let numbers = |from: u32| {
        (from..from + 10)
            .map(|seq| block(seq, if seq % 2 == 0 { Stream::TEMPERATURE } else { Stream::HEART_RATE }))
    };
    let append = async |from| {
        let blocks = numbers(from).collect();
        opened.outbox.append(opened.log.key, opened.session, blocks, vec![]).await.unwrap();
    };
    append(1).await;
    advance(9 * DAY).await;
    append(11).await;
    advance(DAY).await;
    opened
}

/// The first block that waits, by kind.
async fn first_waiting(outbox: &Outbox, sink: &SinkName) -> Vec<(Kind, u32)> {
    let mut waiting: Vec<_> = outbox
        .backlog(sink)
        .await
        .unwrap()
        .into_iter()
        .map(|backlog| (backlog.kind, backlog.unsent_from.0))
        .collect();
    waiting.sort();
    waiting
}

async fn waiting_and_missed(outbox: &Outbox, sink: &SinkName) -> (u64, u64) {
    let SinkCounts { waiting, missed, .. } = outbox.sink_counts(sink).await.unwrap();
    (waiting, missed)
}

#[tokio::test(start_paused = true)]
async fn with_everything_with_the_last_days_or_with_nothing() {
    let opened = worn_for_long().await;
    let outbox = &opened.outbox;
    let begins = async |name: &str, start| {
        let row = outbox.register_sink(&sink(name), start).await.unwrap();
        let counts = waiting_and_missed(outbox, &sink(name)).await;
        assert_eq!(counts.0 + counts.1, 20 * BLOCK, "every sample is counted once");
        (counts.1, row.since.is_some(), first_waiting(outbox, &sink(name)).await)
    };
    let all = vec![(Kind::HeartRate, 1), (Kind::Temperature, 2)];
    let second_half = vec![(Kind::HeartRate, 11), (Kind::Temperature, 12)];
    assert_eq!(begins("all", SinkStart::All).await, (0, false, all.clone()));
    assert_eq!(begins("week", SinkStart::Back(7 * DAY)).await, (10 * BLOCK, true, second_half));
    assert_eq!(begins("month", SinkStart::Back(30 * DAY)).await, (0, true, all));
    assert_eq!(begins("now", SinkStart::Now).await, (20 * BLOCK, true, vec![]));

    // Whatever is stored from then on is for everyone, also in a log that was not there before.
    opened.append([21]).await.unwrap();
    let later = outbox.new_era(opened.log.key, nowbridge::wire::bridge::Seq(0)).await.unwrap();
    let session = outbox.begin_session(WATCH, Some(later.key)).await.unwrap();
    outbox.append(later.key, session, vec![block(1, Stream::HEART_RATE)], vec![]).await.unwrap();
    assert_eq!(waiting_and_missed(outbox, &sink("now")).await, (2 * BLOCK, 20 * BLOCK));
    assert_eq!(later.log_id, LogId(1));
}

#[tokio::test(start_paused = true)]
async fn which_is_asked_once_and_never_again() {
    let opened = worn_for_long().await;
    let outbox = &opened.outbox;
    let first = outbox.register_sink(&sink("folder"), SinkStart::Back(7 * DAY)).await.unwrap();
    let before = outbox.sink_counts(&sink("folder")).await.unwrap();
    for start in [SinkStart::Now, SinkStart::All] {
        assert_eq!(outbox.register_sink(&sink("folder"), start).await.unwrap(), first);
        assert_eq!(outbox.sink_counts(&sink("folder")).await.unwrap(), before);
    }
    assert_eq!(outbox.sinks().await.unwrap(), [first]);
}

#[tokio::test(start_paused = true)]
async fn and_one_from_before_sinks_were_remembered_goes_on_where_it_was() {
    let opened = worn_for_long().await;
    let outbox = &opened.outbox;
    let mut batch = crate::support::outbox::batch(opened.log.key, 1, 9);
    batch.rows = 300;
    let batch = outbox.persist_batch(batch).await.unwrap();
    outbox.settle(batch.key, crate::support::outbox::receipt()).await.unwrap();
    outbox.register_sink(&cloud(), SinkStart::Now).await.unwrap();
    let counts = outbox.sink_counts(&cloud()).await.unwrap();
    assert_eq!((counts.sent, counts.missed), (5 * BLOCK, 10 * BLOCK), "only what had no cursor begins now");
    assert_eq!(first_waiting(outbox, &cloud()).await, [(Kind::HeartRate, 11)]);
}

#[tokio::test(start_paused = true)]
async fn and_a_pause_leaves_every_cursor_where_it_is() {
    let opened = worn_for_long().await;
    let outbox = &opened.outbox;
    outbox.register_sink(&sink("mqtt"), SinkStart::All).await.unwrap();
    let before = first_waiting(outbox, &sink("mqtt")).await;
    let paused = outbox.pause_sink(&sink("mqtt"), true).await.unwrap().unwrap();
    advance(DAY).await;
    opened.append_with([22], vec![gap(21, 21, nowbridge::outbox::GapCause::Overwritten)]).await.unwrap();
    assert_eq!(outbox.pause_sink(&sink("mqtt"), true).await.unwrap().unwrap(), paused, "since when, stays");
    assert_eq!(first_waiting(outbox, &sink("mqtt")).await, before);
    let again = outbox.pause_sink(&sink("mqtt"), false).await.unwrap().unwrap();
    assert_eq!((again.paused, waiting_and_missed(outbox, &sink("mqtt")).await), (None, (21 * BLOCK, 0)));
    assert_eq!(outbox.pause_sink(&sink("nobody"), true).await.unwrap(), None);
}
