use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::measurement::{AnchorPoint, Timeline};
use nowbridge::outbox::AnchorSource;
use nowbridge::sim::watch::WatchOptions;
use nowbridge::sync::Outcome;
use nowbridge::wire::bridge::{LogStore, Request, Seq};

use crate::support::sync::{ROOMY, Scene, worn_watch};
use crate::support::tamper::Tamper;
use crate::support::watch::{START, offered};

const DAY: Duration = Duration::from_hours(24);

fn drifting() -> WatchOptions {
    WatchOptions { clock: Clock::simulated(START), drift_ppm: 50, ..WatchOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn the_outbox_holds_what_the_watch_holds() {
    let scene = Scene::new(worn_watch(DAY, ROOMY, drifting())).await;
    let report = scene.complete_session().await;

    let (ledger, there) = scene.watch.with(|watch| (watch.ledger(), offered(watch)));
    let stored = scene.stored_log();
    assert_eq!(stored.blocks, there);
    assert_eq!((stored.samples, ledger.counts.in_ram), (ledger.sample_count(), 0));
    assert_eq!(stored.gaps, []);
    let count = there.len() as u64;
    assert_eq!((report.fetched, report.new, report.duplicate, report.rejected), (count, count, 0, 0));
    let info = scene.watch.with(|watch| watch.info());
    assert_eq!((info.acked, report.cursor, stored.cursor), (info.head, info.head, info.head));
}

#[tokio::test(start_paused = true)]
async fn a_second_session_finds_nothing() {
    let scene = Scene::new(worn_watch(DAY, ROOMY, drifting())).await;
    let first = scene.complete_session().await;
    let before = scene.stored_log();
    let second = scene.complete_session().await;
    assert_eq!((second.fetched, second.new, second.duplicate, second.cursor), (0, 0, 0, first.cursor));
    assert_eq!(scene.stored_log().blocks, before.blocks);
}

/// Keeps from the watch what is safe.
struct Conceals;

impl Tamper for Conceals {
    fn heard(&mut self, request: &Request) -> bool {
        !matches!(request, Request::Commit { .. })
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_was_not_told_is_told_by_the_next_session() {
    let scene = Scene::new(worn_watch(Duration::from_mins(10), ROOMY, drifting())).await;
    scene.tamper(Conceals);
    let report = scene.session().await;
    assert!(matches!(report.outcome, Outcome::Failed { transient: true, .. }), "{report:?}");
    assert_eq!(scene.watch.with(|watch| watch.info().acked), Seq(0));

    scene.leave_alone();
    let second = scene.complete_session().await;
    assert_eq!((second.fetched, scene.watch.with(|watch| watch.info().acked)), (0, report.cursor));
}

#[tokio::test(start_paused = true)]
async fn two_sessions_a_day_apart_take_the_drift_out() {
    let scene = Scene::new(worn_watch(Duration::from_mins(10), ROOMY, drifting())).await;
    scene.complete_session().await;
    tokio::time::advance(DAY).await;
    scene.complete_session().await;

    let log = scene.outbox.logs().await.unwrap()[0];
    let anchors = scene.outbox.anchors(log.key, None).await.unwrap();
    assert_eq!(anchors.len(), 2);
    assert!(anchors.iter().all(|(_, anchor)| anchor.source == AnchorSource::Host));
    let boot = anchors[0].1.boot;
    let worst_us = anchors.iter().map(|(_, anchor)| anchor.uncertainty_us).max().unwrap();
    assert!(worst_us <= 30_000, "{worst_us} µs is more than two connection events");
    let points = anchors.iter().map(|(_, anchor)| AnchorPoint {
        boot: anchor.boot.0,
        ticks_us: anchor.ticks_us,
        utc: anchor.utc,
    });
    let timeline = Timeline::new(points.collect());
    let (first, last) = (anchors[0].1.ticks_us, anchors[1].1.ticks_us);
    for ticks_us in (first..=last).step_by(60_000_000) {
        let truth = scene.watch.with(|watch| watch.true_time(boot, ticks_us)).unwrap();
        let off = timeline.utc(boot.0, ticks_us).unwrap().since(truth);
        assert!(off.abs() <= i64::from(worst_us) + 1_000, "{off} µs off at tick {ticks_us}");
    }
}
