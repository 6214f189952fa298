//! A strap with a loose plug, or worse.

use std::time::Duration;

use nowbridge::sync::Outcome;
use nowbridge::wire::bridge::Stream;
use nowbridge::wire::gatt;
use tokio::time::Instant;

use crate::support::strap::{Listener, Strap};

/// Nothing of this can be read.
const UNREADABLE: [&[u8]; 6] =
    [&[], &[0xE0, 72], &[0x10, 72, 1], &[0x00, 72, 0, 0, 0, 0], &[0x01, 0xFF, 0xFF], &[0xFF; 20]];

#[tokio::test(start_paused = true)]
async fn for_a_minute_between_two_good_ones() {
    let listener = Listener::near(Strap::new().notifying(gatt::TEMPERATURE)).await;
    let start = Instant::now();
    listener.strap.beats_evenly(start, 60);
    let mut rng = fastrand::Rng::with_seed(11);
    for tenth in 0..600 {
        let at = start + Duration::from_secs(61) + Duration::from_millis(tenth * 100);
        listener.strap.will_say(at, UNREADABLE[rng.usize(..UNREADABLE.len())]);
    }
    listener.strap.beats_evenly(start + Duration::from_secs(122), 60);
    let (report, told) = listener.listen_for(200).await;
    assert_eq!((report.outcome, told.unreadable), (Outcome::Complete, 600));
    // 120 rates, and the beats of two runs.
    assert_eq!((told.samples, told.stored), (120 + 61 + 61, 242));
    let beats = listener.stored(Stream::BEATS).await;
    let runs: Vec<usize> =
        beats.iter().enumerate().filter(|(_, (_, beat))| beat.value == 0).map(|(index, _)| index).collect();
    assert_eq!(runs, [0, 61]);
}

#[tokio::test(start_paused = true)]
async fn no_reading_is_no_value() {
    let listener = Listener::near(Strap::new().notifying(gatt::TEMPERATURE)).await;
    let at = |second| Instant::now() + Duration::from_secs(second);
    for (second, value) in [(1, [0x00, 0]), (2, [0x00, 255]), (3, [0x06, 0])] {
        listener.strap.will_say(at(second), value.to_vec());
    }
    for (second, value) in [(4, [0, 0xFF, 0xFF, 0x7F, 0]), (5, [0, 0, 0, 0x80, 0])] {
        listener.strap.will_notify(at(second), gatt::TEMPERATURE, value.to_vec());
    }
    // Not subscribed to, and longer than any value may be.
    listener.strap.will_notify(at(6), gatt::SPOT_OXIMETRY, vec![0; 5]);
    listener.strap.will_say(at(7), vec![0x10; 600]);
    let (report, told) = listener.listen_for(30).await;
    assert_eq!((report.outcome, report.new, told.samples, told.unreadable), (Outcome::Complete, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_comes_twice_counts_once() {
    let listener = Listener::near(Strap::new()).await;
    for second in 1..=20 {
        for _ in 0..2 {
            listener.strap.will_say(Instant::now() + Duration::from_secs(second), &[0x06, 60][..]);
        }
    }
    let (_, told) = listener.listen_for(30).await;
    assert_eq!((told.samples, told.repeated), (20, 20));
}
