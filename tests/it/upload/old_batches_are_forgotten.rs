//! Batches and receipts do not pile up for ever, and nothing that is asked later needs them.

use std::time::Duration;

use nowbridge::measurement::Kind;
use nowbridge::outbox::{Entries, Section};
use nowbridge::wire::bridge::Seq;

use crate::support::outbox::{Opened, batch, cloud, receipt};

async fn batches(opened: &Opened) -> Vec<(i64, String)> {
    let Entries::Batches(rows) = opened.outbox.entries(Section::Batches, 9_999).await.unwrap() else {
        panic!()
    };
    rows.iter().map(|row| (row.id.to_string()[1..].parse().unwrap(), row.state.to_string())).rev().collect()
}

#[tokio::test(start_paused = true)]
async fn after_ninety_days_unless_they_are_still_open() {
    let opened = Opened::new().await;
    opened.append(1..=1_300).await.unwrap();
    for seq in 1..=1_200 {
        let sent = opened.outbox.persist_batch(batch(opened.log.key, seq, seq)).await.unwrap();
        opened.outbox.settle(sent.key, receipt()).await.unwrap();
    }
    let open = opened.outbox.persist_batch(batch(opened.log.key, 1_201, 1_201)).await.unwrap();
    let other = nowbridge::outbox::NewBatch {
        sink: nowbridge::outbox::SinkName("folder".to_owned()),
        ..batch(opened.log.key, 1, 1)
    };
    tokio::time::advance(Duration::from_hours(24 * 91)).await;
    opened.outbox.tidy().await.unwrap();
    assert_eq!(batches(&opened).await.len(), 1_201, "nothing was sent since: the clock may have leapt");

    let new = opened.outbox.persist_batch(other).await.unwrap();
    opened.outbox.settle(new.key, receipt()).await.unwrap();
    opened.outbox.tidy().await.unwrap();
    let states = [(open.key.0, "open".to_owned()), (new.key.0, "sent".to_owned())];
    assert_eq!(batches(&opened).await, states);
    assert_eq!(opened.outbox.receipts(9_999).await.unwrap().len(), 1);
    let counts = opened.outbox.sink_counts(&cloud()).await.unwrap();
    assert_eq!(counts.sent, 1_200 * 60);
    assert_eq!(opened.outbox.sent(&cloud()).await.unwrap()[0].last(), Seq(1_200));
    let again = opened.outbox.open_batch(&cloud(), opened.log.key, Kind::HeartRate).await;
    assert_eq!(again.unwrap().unwrap(), open);
}
