use std::time::Duration;

use bytes::Bytes;
use nowbridge::measurement::Quality;
use nowbridge::radio::air::LinkModel;
use nowbridge::sim::watch::{Misbehaviour, SimWatch};
use nowbridge::sync::Outcome;
use nowbridge::wire::bridge::{Boot, CONTROL, DATA, Request, Response, Sample, Seq, Stream, seal};
use uuid::Uuid;

use crate::support::sync::{Scene, worn_for};
use crate::support::tamper::Tamper;
use crate::support::watch::watch;

#[tokio::test(start_paused = true)]
async fn a_head_behind_our_cursor_begins_an_era() {
    let scene = Scene::new(watch(64)).await;
    scene.record_events(300);
    let cursor = scene.complete_session().await.cursor;
    let before = scene.stored_log();
    scene.watch.with(|watch| watch.misbehave(Misbehaviour::RollBack { blocks: 20 }));
    scene.record_events(5);

    scene.complete_session().await;
    let [old, new] = scene.stored().try_into().unwrap();
    assert_eq!((old.blocks, old.era, new.era), (before.blocks, 1, 2));
    assert_eq!((new.blocks, new.gaps), (scene.offered(), vec![]));
    assert_eq!(old.gaps, [(Seq(cursor.0 - 14), cursor, "conflict".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_used_again_begins_an_era() {
    let scene = Scene::new(watch(64)).await;
    scene.record_events(300);
    let cursor = scene.complete_session().await.cursor;
    let before = scene.stored_log();
    scene.watch.with(|watch| watch.misbehave(Misbehaviour::RollBack { blocks: 20 }));
    tokio::time::advance(Duration::from_mins(1)).await;
    scene.record_events(50);

    let report = scene.session().await;
    let Outcome::Failed { reason, transient: true, .. } = report.outcome else { panic!("{report:?}") };
    assert!(reason.contains(&format!("number {cursor} a second time")), "{reason}");
    scene.complete_session().await;
    let [old, new] = scene.stored().try_into().unwrap();
    assert_eq!((old.blocks, new.era), (before.blocks, 2));
    assert_eq!(old.gaps, [(cursor, cursor, "conflict".to_owned())]);
    assert_eq!((new.blocks, new.gaps), (scene.offered(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_wiped_in_the_middle_of_a_session_begins_a_log() {
    for after_ms in (600..3_000).step_by(300) {
        let scene = Scene::over(LinkModel::slow_1m_30ms(), worn_for(12)).await;
        let before = scene.offered();
        let wipe = async {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            scene.watch.with(SimWatch::factory_reset);
            scene.record_events(2_000);
        };
        let (report, ()) = tokio::join!(scene.session(), wipe);
        if report.outcome != Outcome::Complete {
            assert!(matches!(report.outcome, Outcome::Failed { transient: true, .. }), "{report:?}");
        }
        scene.complete_session().await;
        let mut logs = scene.stored();
        let new = logs.pop().unwrap();
        assert_eq!((new.blocks, new.gaps), (scene.offered(), vec![]), "wiped after {after_ms} ms");
        for old in logs {
            // Anchors of the session itself come on top of what was there before.
            let strange = old.blocks.iter().filter(|(seq, block)| before.get(seq) != Some(block)).count();
            assert!(strange <= 12, "{strange} blocks of the new log are in the old one ({after_ms} ms)");
        }
    }
}

/// Answers every pull with one block, far above its head.
struct Boasts {
    due: bool,
}

impl Tamper for Boasts {
    fn heard(&mut self, request: &Request) -> bool {
        self.due |= matches!(request, Request::Pull { .. });
        true
    }

    fn said(&mut self, characteristic: Uuid, value: Bytes) -> Option<Bytes> {
        if characteristic == CONTROL {
            let reply = Response::decode(&value).unwrap();
            let Response::End { id, head, tail, .. } = reply else { return Some(value) };
            return Some(Response::End { id, next: Seq(9_000), head, tail }.encode().into());
        }
        assert_eq!(characteristic, DATA);
        let sample = Sample { at_ms: 1, value: 1, quality: Quality::BEST };
        let block = seal(Seq(8_999), Boot(1), Stream::EVENTS, &[sample]);
        std::mem::take(&mut self.due).then(|| [&[0xC0][..], &block].concat().into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_above_the_watchs_own_head_is_not_believed() {
    let scene = Scene::new(worn_for(6)).await;
    scene.tamper(Boasts { due: false });
    let report = scene.session().await;
    assert!(matches!(report.outcome, Outcome::Failed { transient: true, .. }), "{report:?}");
    assert!(report.rejected > 0);
    let stored = scene.stored_log();
    assert_eq!((stored.cursor, stored.blocks.len(), stored.gaps.len()), (Seq(0), 0, 0));

    scene.leave_alone();
    scene.complete_session().await;
    assert_eq!(scene.stored_log().blocks, scene.offered());
}
