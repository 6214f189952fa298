//! A page with a hole in the middle hides what lies behind it, but those numbers were offered once.

use fastrand::Rng;
use nowbridge::measurement::Quality;
use nowbridge::sim::watch::Misbehaviour;
use nowbridge::wire::bridge::{LogStore, Sample, Seq, Stream};

use crate::support::watch::{offered, watch};

#[test]
fn numbers_behind_a_damaged_block_never_come_again() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let mut watch = watch(4);
        let mut at_ms = 0;
        let mut seal_some = |watch: &mut nowbridge::sim::watch::SimWatch, blocks: usize| {
            for _ in 0..blocks {
                at_ms += 1;
                watch.record(Stream::EVENTS, Sample { at_ms, value: 1, quality: Quality::BEST });
                watch.flush().unwrap();
            }
        };
        seal_some(&mut watch, rng.usize(2..700));
        let before = offered(&mut watch);
        let newest = *before.keys().next_back().unwrap();
        let damaged = Seq(rng.u32(newest.0.saturating_sub(150).max(1)..=newest.0));
        assert!(watch.misbehave(Misbehaviour::CorruptStored(damaged)));
        for _ in 0..rng.usize(1..4) {
            watch.power_cut(&mut rng);
        }
        seal_some(&mut watch, 3);
        let after = offered(&mut watch);
        for (seq, bytes) in &after {
            let same = before.get(seq).is_none_or(|old| old == bytes || *seq == damaged);
            assert!(same, "seed {seed}: number {seq} was used twice");
        }
        assert!(after.range(newest.next()..).count() >= 3, "seed {seed}");
    }
}

#[test]
fn a_page_that_was_torn_still_serves_what_is_sound_in_it() {
    let mut rng = Rng::with_seed(3);
    let mut watch = watch(8);
    let mut torn = None;
    for attempt in 0..20 {
        for at_ms in 0..40 {
            watch.record(Stream::EVENTS, Sample { at_ms, value: 1, quality: Quality::BEST });
            watch.flush().unwrap();
        }
        watch.record(Stream::BEATS, Sample { at_ms: 50, value: 900, quality: Quality::BEST });
        let before = offered(&mut watch);
        let cut = watch.power_cut(&mut rng);
        if cut.torn.is_some() {
            assert_eq!(offered(&mut watch), before, "attempt {attempt}");
            assert_eq!((cut.lost_in_ram, cut.burned), (1, 369));
            torn = cut.torn;
            break;
        }
    }
    let torn = torn.expect("one of twenty cuts tears a block");
    watch.record(Stream::BEATS, Sample { at_ms: 50, value: 900, quality: Quality::BEST });
    watch.flush().unwrap();
    assert_eq!(watch.info().head, Seq(torn.0 + 369), "one page of the smallest blocks further");
}
