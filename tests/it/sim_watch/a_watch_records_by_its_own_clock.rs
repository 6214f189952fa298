//! Ticks drift against the truth; the simulator knows both.

use std::time::Duration;

use fastrand::Rng;
use nowbridge::clock::Clock;
use nowbridge::measurement::UtcMicros;
use nowbridge::sim::watch::SealPolicy;
use nowbridge::wire::bridge::{LogStore, Stream, TimeSetting, TimeSource};

use crate::support::watch::{START, watch_with, worn};

const DRIFT_PPM: i32 = 40;

#[tokio::test(start_paused = true)]
async fn two_anchors_a_day_apart_give_away_the_drift() {
    let truth = Clock::simulated(START);
    let mut watch = watch_with(64, |options| {
        (options.clock, options.drift_ppm) = (truth, DRIFT_PPM);
        options.age = Duration::from_hours(25);
    });
    assert_eq!(watch.time().utc_us, 0);
    for _ in 0..2 {
        let utc_us = truth.now().0 as u64;
        watch.set_time(TimeSetting { utc_us, rtt_us: 30_000, zone_offset_s: 0, source: TimeSource::Network });
        tokio::time::advance(Duration::from_hours(24)).await;
    }
    let anchors = watch.ledger().anchors;
    let (first, second) = (anchors[0].1, anchors[1].1);
    assert_eq!((first.ticks_us, first.uncertainty_ms), (90_000_000_000, 15));
    let gained = (second.ticks_us - first.ticks_us) - (second.utc_us - first.utc_us);
    assert_eq!(gained, 86_400 * DRIFT_PPM as u64);
    for (boot, anchor) in anchors {
        let truly = watch.true_time(boot, anchor.ticks_us).unwrap();
        assert!(truly.since(anchor.utc()).abs() <= 1, "{truly:?} for {anchor:?}");
    }
    // The watch itself does not know that it drifts.
    let belief = UtcMicros(watch.time().utc_us as i64);
    assert_eq!(belief.since(truth.now()), 86_400 * i64::from(DRIFT_PPM));
}

#[tokio::test(start_paused = true)]
async fn a_worn_watch_keeps_its_spacing_whatever_its_crystal_does() {
    let mut rng = Rng::with_seed(6);
    let mut watch = watch_with(400, |options| {
        (options.drift_ppm, options.policy) = (-1_000, SealPolicy::Packed);
    });
    let day = worn(&mut rng, 0, 6);
    watch.follow(day.clone().into_iter());
    let mut cut = false;
    while let Some(wait) = watch.catch_up() {
        tokio::time::advance(wait.max(Duration::from_secs(30))).await;
        if !cut && watch.ticks_ms() > 3 * 3_600_000 {
            cut = true;
            watch.power_cut(&mut rng);
        }
    }
    watch.seal_all();
    let ledger = watch.ledger();
    assert_eq!(ledger.counts.recorded, day.len() as u64);
    assert_eq!(ledger.sample_count() + ledger.counts.lost_in_ram, day.len() as u64);
    for boot in ledger.samples[&Stream::HEART_RATE].chunk_by(|one, other| one.0 == other.0) {
        assert!(boot.len() > 3_000);
        assert!(boot.windows(2).all(|pair| pair[1].1.at_ms - pair[0].1.at_ms == 1_000));
    }
    // 21,600 heart rates at half a byte, as many beats at two bytes: spacing that breaks would cost ten times the blocks.
    assert!(ledger.blocks.len() < 400, "{} blocks", ledger.blocks.len());
}
