use std::time::Duration;

use nowbridge::radio::PeerAddress;
use nowbridge::sim::WatchOnAir;
use nowbridge::sync::{Mode, Recovery, Shared, Slots, WatcherConfig};
use nowbridge::wire::bridge::DeviceId;
use tokio::time::sleep;

use crate::support::sync::Scene;
use crate::support::watch::{watch, watch_with};
use crate::support::watcher::{AtWork, HOUR, MINUTE, Radio, config, is_connected};

const EVERY: Duration = Duration::from_mins(15);

/// So many watches that share so many links.
async fn crowd(watches: u8, links: usize) -> (Scene, Radio, Vec<AtWork>) {
    let scene = Scene::new(watch(64)).await;
    let (radio, shared) =
        (Radio::new(&scene.air), Shared { slots: Slots::new(links), recovery: Recovery::new(false) });
    let at_work = (0..watches).map(|number| {
        let address = address(number);
        let other = watch_with(64, |options| options.device_id = DeviceId([number; 16]));
        scene.air.place(address.clone(), WatchOnAir::new(other));
        let config = WatcherConfig { address, every: EVERY, seed: number.into(), ..config(Mode::Stay) };
        AtWork::begin_with(&scene, &radio, config, shared.clone())
    });
    let at_work = at_work.collect();
    (scene, radio, at_work)
}

fn address(number: u8) -> PeerAddress {
    PeerAddress(format!("E7:00:00:00:01:{number:02X}"))
}

fn connects_of(radio: &Radio, number: u8) -> usize {
    radio.diary().connects.iter().filter(|(_, peer)| *peer == address(number)).count()
}

#[tokio::test(start_paused = true)]
async fn all_of_them_get_their_sessions() {
    for (watches, links) in [(2, 1), (5, 2), (9, 4)] {
        let (_scene, radio, at_work) = crowd(watches, links).await;
        sleep(8 * HOUR).await;
        for (number, at_work) in (0..).zip(&at_work) {
            let sessions = at_work.status.borrow().counts.complete;
            assert!((8 * 4 - 4..=8 * 4 + 2).contains(&sessions), "{sessions} of {number} over {links}");
            assert!(connects_of(&radio, number) <= 8 * 4 + 2, "{} over {links}", connects_of(&radio, number));
        }
        assert_eq!(radio.diary().most_links, links);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_room_stays_connected() {
    let (_scene, radio, mut at_work) = crowd(3, 3).await;
    for at_work in &mut at_work {
        at_work.until(MINUTE, is_connected).await;
    }
    sleep(8 * HOUR).await;
    assert_eq!(radio.connects(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_away_does_not_keep_the_others_from_their_links() {
    let (scene, radio, mut at_work) = crowd(2, 1).await;
    at_work[1].until(MINUTE, |status| status.complete_at.is_some()).await;
    scene.air.set_in_range(&address(1), false);
    sleep(8 * HOUR).await;
    // It is looked for when its session would be due, and in between where that disturbs nobody.
    let connects = connects_of(&radio, 0);
    assert!(connects <= 8 * 4 + 2, "{connects}");
    assert!(at_work[0].status.borrow().counts.complete >= 8 * 4 - 4);
    scene.air.set_in_range(&address(1), true);
    let before = at_work[1].status.borrow().counts.complete;
    at_work[1].until(EVERY + MINUTE, |status| status.counts.complete > before).await;
}
