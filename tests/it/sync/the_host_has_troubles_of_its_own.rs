use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::{Limits, Outbox};
use nowbridge::radio::air::LinkModel;
use nowbridge::sync::{FailureKind, Mode, Outcome};
use nowbridge::wire::bridge::{LogStore, Seq, Stream};

use crate::support::outbox::{WATCH, block, open_limited};
use crate::support::sync::{Scene, worn_for};
use crate::support::watcher::{AtWork, HOUR, MINUTE};

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
        assert_eq!(reason, "the outbox cannot be written: the outbox is closed");
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

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_not_the_watchs_fault() {
    let scene = Scene::new(worn_for(6)).await;
    scene.outbox.clone().close().await.unwrap();
    let mut at_work = AtWork::begin(&scene, Mode::Stay);
    at_work.until_state(MINUTE, "outbox_fails").await;
    tokio::time::sleep(HOUR).await;
    assert!(
        at_work.radio.connects() > 6,
        "tried again before a quarter of an hour: {}",
        at_work.radio.connects()
    );
    assert_eq!(at_work.state().name(), "outbox_fails");
    assert_eq!(at_work.radio.diary().steps, []);
}

#[tokio::test(start_paused = true)]
async fn near_the_end_of_its_room_it_leaves_history_on_the_watch_and_takes_what_is_live() {
    let mut scene = Scene::new(worn_for(6)).await;
    scene.outbox.close().await.unwrap();
    let disk = rustix::fs::statvfs(scene.dir.path()).unwrap();
    // Half of it is for others, and less than that is left.
    let limits = Limits { keep_free: 2 * disk.f_bavail * disk.f_frsize, ..Limits::default() };
    scene.outbox = open_limited(scene.dir.path(), limits).await.unwrap();
    let report = scene.session().await;
    let Outcome::Failed { reason, kind: FailureKind::Store, transient: true } = report.outcome else {
        panic!("{report:?}")
    };
    assert!(reason.contains("stays on it"), "{reason}");
    assert_eq!((report.fetched, scene.watch.with(|watch| watch.info().acked)), (0, Seq(0)));

    let live = scene.outbox.host_log(WATCH, false).await.unwrap();
    let session = scene.outbox.begin_session(WATCH, Some(live.log.key)).await.unwrap();
    let block = vec![block(1, Stream::HEART_RATE)];
    let taken = scene.outbox.append_anchored(live.log.key, session, vec![], block, vec![]).await.unwrap();
    assert_eq!(taken.new, 1);

    scene.outbox.close().await.unwrap();
    scene.outbox = Outbox::open(scene.dir.path(), scene.clock).await.unwrap();
    scene.complete_session().await;
}
