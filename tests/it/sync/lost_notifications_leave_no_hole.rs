use std::ops::Range;

use bytes::Bytes;
use nowbridge::radio::air::{Faults, LinkModel};
use nowbridge::wire::bridge::{CONTROL, DATA, LogStore, Request, Response};
use uuid::Uuid;

use crate::support::sync::{Scene, worn_for};
use crate::support::tamper::Tamper;
use crate::support::watch::watch;

#[tokio::test(start_paused = true)]
async fn a_lossy_bus_costs_time_only() {
    for seed in 0..5 {
        let scene = Scene::new(worn_for(6)).await;
        scene.air.set_faults(Faults { seed, lose_notification: 0.1, ..Faults::default() });
        scene.persist().await;
        let stored = scene.stored_log();
        assert_eq!((stored.gaps, stored.blocks), (vec![], scene.offered()), "seed {seed}");
    }
}

/// Loses these notifications of the first long pull.
struct Loses {
    these: Range<u32>,
    position: Option<u32>,
}

impl Tamper for Loses {
    fn heard(&mut self, request: &Request) -> bool {
        if matches!(request, Request::Pull { credit, .. } if *credit > 1) {
            self.position = Some(self.position.map_or(0, |_| u32::MAX / 2));
        }
        true
    }

    fn said(&mut self, characteristic: Uuid, value: Bytes) -> Option<Bytes> {
        let Some(position) = self.position.as_mut().filter(|_| characteristic == DATA) else {
            return Some(value);
        };
        *position += 1;
        (!self.these.contains(&(*position - 1))).then_some(value)
    }
}

/// 64 lost notifications bring the counter around, and here each block fills a notification of its own, so that nothing else
/// shows the hole either. They must not be taken for numbers that the watch never used.
#[tokio::test(start_paused = true)]
async fn not_even_exactly_sixty_four_of_them() {
    for these in [0..64, 10..74, 0..128] {
        // The blocks are all of one length from 128 on, and the MTU fits them.
        let length = 20;
        let model = LinkModel { mtu: length + 4, ..LinkModel::fast_2m_15ms() };
        let scene = Scene::over(model, watch(64)).await;
        tokio::time::advance(std::time::Duration::from_secs(100)).await;
        scene.record_events(140);
        scene.complete_session().await;
        let from = scene.stored_log().cursor;
        scene.record_events(300);
        let lengths = scene.offered().split_off(&from.next());
        assert!(lengths.values().all(|block| block.len() == usize::from(length)), "{lengths:?}");

        scene.tamper(Loses { these, position: None });
        scene.complete_session().await;
        let stored = scene.stored_log();
        assert_eq!((stored.gaps, stored.blocks), (vec![], scene.offered()));
    }
}

/// Talks before it is asked: leftovers of a pull that somebody else made, and answers to nobody.
struct Babbles(u8);

impl Tamper for Babbles {
    fn blurted(&mut self) -> Option<(Uuid, Bytes)> {
        self.0 = self.0.checked_sub(1)?;
        Some(if self.0.is_multiple_of(2) {
            (CONTROL, Response::Ok { id: 200 }.encode().into())
        } else {
            (DATA, Bytes::from(vec![0x40 | self.0; 100]))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_a_pull_is_not_taken_for_its_blocks() {
    let scene = Scene::new(worn_for(6)).await;
    scene.tamper(Babbles(60));
    scene.complete_session().await;
    let stored = scene.stored_log();
    assert_eq!((stored.gaps, stored.blocks), (vec![], scene.offered()));
    assert_eq!(scene.watch.with(|watch| watch.info().acked), stored.cursor);
}
