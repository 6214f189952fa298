use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::outbox::Outbox;
use nowbridge::sync::{Outcome, Progress, collect};
use nowbridge::watch::{Bridge, Driver};
use nowbridge::wire::bridge::Seq;
use tempfile::TempDir;
use tokio::sync::watch;

use super::ours::{connected, radio};
use crate::support::stage::{Wearable, story};
use crate::support::sync::{stored, worn_for};
use crate::support::watch::{START, offered};

#[test]
fn a_day_of_history_is_complete() {
    story(async |stage| {
        let worn = stage.wear(worn_for(24)).await;
        let radio = radio().await;
        let directory = TempDir::new().unwrap();
        let clock = Clock::simulated(START);
        let outbox = Outbox::open(directory.path(), clock).await.unwrap();
        let mut bridge = Bridge::open(connected(&radio, Wearable::Bridge).await).await.unwrap();
        let (progress, _) = watch::channel(Progress::default());
        let report = collect(&mut bridge, &outbox, clock, &progress).await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
        let info = bridge.info().await.unwrap();
        bridge.close().await;

        let log = stored(directory.path()).remove(0);
        assert_eq!((log.gaps, report.rejected, report.cursor), (Vec::new(), 0, log.cursor));
        assert_eq!((info.acked, info.head), (log.cursor, log.cursor));
        let Some(worn) = worn else { return };
        assert_eq!(log.blocks, worn.with(offered));
        let ledger = worn.with(|watch| watch.ledger());
        assert_eq!((log.samples, ledger.counts.in_ram), (ledger.sample_count(), 0));
    });
}

#[test]
fn a_link_that_is_lost_in_the_middle_costs_no_block_and_brings_none_twice() {
    story(async |stage| {
        let worn = stage.wear(worn_for(24)).await;
        if let Some(fake) = stage.fake_at_hand() {
            fake.with(|machine| machine.timing.packets = 2).await;
        }
        let radio = radio().await;
        let directory = TempDir::new().unwrap();
        let clock = Clock::simulated(START);
        let outbox = Outbox::open(directory.path(), clock).await.unwrap();
        let mut bridge = Bridge::open(connected(&radio, Wearable::Bridge).await).await.unwrap();
        let (progress, mut seen) = watch::channel(Progress::default());
        let loses = async {
            seen.wait_for(|progress| progress.cursor > Seq(0)).await.unwrap();
            stage.lose_link(Wearable::Bridge, Duration::from_millis(100)).await;
        };
        let (first, ()) = tokio::join!(collect(&mut bridge, &outbox, clock, &progress), loses);
        assert!(matches!(first.outcome, Outcome::Failed { transient: true, .. }), "{first:?}");
        bridge.close().await;

        let mut bridge = Bridge::open(connected(&radio, Wearable::Bridge).await).await.unwrap();
        let second = collect(&mut bridge, &outbox, clock, &progress).await;
        assert_eq!(second.outcome, Outcome::Complete, "{second:?}");
        let info = bridge.info().await.unwrap();
        bridge.close().await;
        let log = stored(directory.path()).remove(0);
        assert!(first.new > 0 && first.cursor < second.cursor, "{first:?}, {second:?}");
        assert_eq!((first.new + second.new, second.duplicate), (log.blocks.len() as u64, 0));
        assert_eq!((log.gaps, second.rejected, second.cursor), (Vec::new(), 0, log.cursor));
        assert_eq!((info.acked, info.head), (log.cursor, log.cursor));
        let Some(worn) = worn else { return };
        assert_eq!(log.blocks, worn.with(offered));
    });
}
