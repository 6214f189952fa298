//! A watcher whose device keeps no log: what it says is heard, kept, and shared out among listeners.

use std::time::Duration;

use nowbridge::outbox::Hold;
use nowbridge::radio::PeerAddress;
use nowbridge::sync::{Listening, Mode, Recovery, Shared, Slots, WatchState, WatchStatus, WatcherConfig};
use nowbridge::wire::bridge::Stream;
use nowbridge::wire::gatt;
use tokio::time::{Instant, sleep, timeout};

use crate::support::strap::{Listener, Strap, address};
use crate::support::watcher::{AtWork, BACK_WITHIN, HOUR, MINUTE, Radio, SECOND, alone, config, is_away};

fn watcher_of(address: PeerAddress) -> WatcherConfig {
    WatcherConfig { address, ..config(Mode::Release) }
}

fn at_work(host: &Listener) -> AtWork {
    AtWork::begin_over(&host.outbox, host.clock, &Radio::new(&host.air), watcher_of(address()), alone())
}

const fn is_live(status: &WatchStatus) -> bool {
    matches!(status.state, WatchState::Live(_))
}

/// A strap that beats for an hour from now on.
async fn host() -> Listener {
    let strap = Strap::new().telling(gatt::BATTERY_LEVEL, [80]);
    strap.beats_evenly(Instant::now(), 3_600);
    Listener::near(strap).await
}

async fn stored(host: &Listener) -> usize {
    host.stored(Stream::HEART_RATE).await.len()
}

#[tokio::test(start_paused = true)]
async fn it_hears_everything_until_the_strap_goes_and_is_there_when_it_returns() {
    let host = host().await;
    let mut at_work = at_work(&host);
    let status = at_work.until(10 * SECOND, is_live).await;
    assert_eq!(status.identity.unwrap().battery, Some(80));
    sleep(10 * MINUTE).await;
    let WatchState::Live(Listening { samples, stored: safe, .. }) = at_work.state() else { panic!() };
    assert!(safe > 1_150 && samples >= safe, "{safe} of {samples}");
    assert_eq!(at_work.radio.connects(), 1);

    host.air.set_in_range(&address(), false);
    at_work.until(MINUTE, is_away).await;
    assert!(stored(&host).await >= 595, "{}", stored(&host).await);
    sleep(MINUTE).await;
    host.air.set_in_range(&address(), true);
    at_work.until(BACK_WITHIN, is_live).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_ends_it_what_was_heard_is_kept() {
    for end in ["hold", "adapter", "stop"] {
        let host = host().await;
        let mut at_work = at_work(&host);
        at_work.until(10 * SECOND, is_live).await;
        sleep(Duration::from_millis(95_500)).await;
        match end {
            "hold" => {
                at_work.signals.hold.send_replace(Hold::UntilReleased);
                at_work.until_state(SECOND, "held").await;
            }
            "adapter" => {
                host.air.set_adapter(false);
                at_work.until_state(SECOND, "radio_not_ready").await;
            }
            _ => timeout(SECOND, at_work.stop()).await.unwrap(),
        }
        assert!((94..=97).contains(&stored(&host).await), "{} after {end}", stored(&host).await);
    }
}

#[tokio::test(start_paused = true)]
async fn two_share_a_link_in_turns() {
    let host = host().await;
    let second = PeerAddress("E7:00:00:00:00:04".into());
    let strap = Strap::new();
    strap.beats_evenly(Instant::now(), 3_600);
    host.air.place(second.clone(), strap);
    let (radio, shared) =
        (Radio::new(&host.air), Shared { slots: Slots::new(1), recovery: Recovery::new(false) });
    let begin =
        |address| AtWork::begin_over(&host.outbox, host.clock, &radio, watcher_of(address), shared.clone());
    let both = [begin(address()), begin(second)];
    sleep(HOUR).await;
    assert_eq!(radio.diary().most_links, 1);
    assert!((11..=14).contains(&radio.connects()), "{}", radio.connects());
    for one in &both {
        let connects = one.status.borrow().counts.connects;
        assert!((5..=7).contains(&connects), "{connects}");
        assert_eq!(one.status.borrow().counts.failures, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_tell_the_same_serial_number_are_two() {
    let second = PeerAddress("E7:00:00:00:00:04".into());
    let strap = || {
        let strap = Strap::new().telling(gatt::MAKER, "Example").telling(gatt::SERIAL, "20190803");
        strap.beats_evenly(Instant::now(), 3_600);
        strap
    };
    let host = Listener::near(strap()).await;
    host.air.place(second.clone(), strap());
    let (radio, shared) =
        (Radio::new(&host.air), Shared { slots: Slots::new(2), recovery: Recovery::new(false) });
    let begin =
        |address| AtWork::begin_over(&host.outbox, host.clock, &radio, watcher_of(address), shared.clone());
    let mut known = Vec::new();
    for _ in 0..2 {
        let mut both = [begin(address()), begin(second.clone())];
        for one in &mut both {
            known.push(one.until(MINUTE, is_live).await.device.unwrap());
        }
        sleep(10 * MINUTE).await;
        for one in both {
            let counts = one.status.borrow().counts;
            assert_eq!((counts.connects, counts.failures), (1, 0));
            one.stop().await;
        }
    }
    assert!(known[0] != known[1] && known[..2] == known[2..], "{known:?}");
    let logs = host.outbox.logs().await.unwrap();
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert!(stored(&host).await > 2 * 1_100, "{}", stored(&host).await);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_worn_keeps_its_link_and_one_that_is_gone_does_not() {
    let host = Listener::near(Strap::new().telling(gatt::BATTERY_LEVEL, [80])).await;
    let mut at_work = at_work(&host);
    at_work.until(10 * SECOND, is_live).await;
    sleep(2 * HOUR).await;
    assert_eq!((at_work.radio.connects(), at_work.state().name()), (1, "live"));
    at_work.radio.set_mute(true);
    let status = at_work.until(2 * MINUTE, |status| !is_live(status)).await;
    assert_eq!(status.counts.ghosts, 1);
    at_work.radio.set_mute(false);
    at_work.until(30 * SECOND, is_live).await;
}
