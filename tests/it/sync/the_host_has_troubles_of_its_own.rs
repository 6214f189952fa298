use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::Outbox;
use nowbridge::radio::air::LinkModel;
use nowbridge::sync::Outcome;
use nowbridge::wire::bridge::LogStore;

use crate::support::sync::{Scene, worn_for};

#[tokio::test(start_paused = true)]
async fn without_the_time_it_collects_and_anchors_nothing() {
    let mut scene = Scene::new(worn_for(6)).await;
    scene.clock = Clock::simulated(UtcMicros(7_000_000));
    let report = scene.complete_session().await;
    let stored = scene.stored_log();
    assert_eq!((stored.blocks, stored.gaps), (scene.offered(), vec![]));
    assert_eq!(report.newest, None);
    let log = scene.outbox.logs().await.unwrap()[0];
    assert_eq!(scene.outbox.anchors(log.key, None).await.unwrap(), []);
    assert_eq!(scene.watch.with(|watch| (watch.time().utc_us, watch.ledger().anchors.len())), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_on_the_disk_is_not_acknowledged() {
    let mut acknowledged = 0;
    for after_ms in (450..4_000).step_by(590) {
        let mut scene = Scene::over(LinkModel::slow_1m_30ms(), worn_for(48)).await;
        let outbox = scene.outbox.clone();
        let fail = async {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            outbox.close().await.unwrap();
        };
        let (report, ()) = tokio::join!(scene.session(), fail);
        let Outcome::Failed { reason, .. } = report.outcome else { panic!("{report:?}") };
        assert_eq!(reason, "the outbox is closed");
        let logs = scene.stored();
        let cursor = logs.first().map(|log| log.cursor).unwrap_or_default();
        let told = scene.watch.with(|watch| watch.info().acked);
        assert!(told <= cursor, "the watch was told {told} where {cursor} is safe, after {after_ms} ms");
        acknowledged += u32::from(told.0 > 0);

        scene.outbox = Outbox::open(scene.dir.path(), scene.clock).await.unwrap();
        scene.complete_session().await;
        assert_eq!(scene.stored_log().blocks, scene.offered());
    }
    assert!(acknowledged > 1, "the sessions were too short to tell anything");
}
