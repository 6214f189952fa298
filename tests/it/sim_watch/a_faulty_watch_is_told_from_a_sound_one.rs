//! Each misbehaviour does what it says, so that a host can be tried against it.

use fastrand::Rng;
use nowbridge::sim::watch::{Misbehaviour, SimWatch, WatchOptions};
use nowbridge::wire::bridge::{BlockError, LogStore, RawBlock, Seq};

use crate::support::watch::{offered, watch, worn};

fn worn_watch() -> SimWatch {
    let mut watch = watch(64);
    watch.record_all(worn(&mut Rng::with_seed(21), 0, 3));
    watch
}

fn read(watch: &mut SimWatch, seq: Seq) -> Result<RawBlock, BlockError> {
    let (found, block) = watch.block(seq).unwrap().unwrap();
    assert_eq!(found, seq);
    RawBlock::parse(block)
}

#[test]
fn a_faded_bit_stays_and_the_ledger_knows() {
    let mut watch = worn_watch();
    assert!(watch.misbehave(Misbehaviour::CorruptStored(Seq(30))));
    for _ in 0..2 {
        assert!(matches!(read(&mut watch, Seq(30)), Err(BlockError::Crc { .. })));
    }
    assert!(read(&mut watch, Seq(31)).is_ok());
    assert_eq!(watch.ledger().damaged, [Seq(30)]);
}

#[test]
fn a_glitch_passes() {
    let mut watch = worn_watch();
    let sound = read(&mut watch, Seq(12)).unwrap();
    assert!(watch.misbehave(Misbehaviour::CorruptOnce(Seq(12))));
    assert!(matches!(read(&mut watch, Seq(12)), Err(BlockError::Crc { .. })));
    assert_eq!(read(&mut watch, Seq(12)), Ok(sound));
}

#[test]
fn a_lie_has_a_right_crc() {
    let mut watch = worn_watch();
    for n in [0, 3, u16::MAX] {
        assert!(watch.misbehave(Misbehaviour::LieInCount { seq: Seq(5), n }));
        let block = read(&mut watch, Seq(5)).unwrap();
        assert_eq!(block.header().n, n);
        assert!(block.samples().is_err());
    }
}

#[test]
fn a_rollback_uses_numbers_twice_even_over_a_reboot() {
    for blocks in [1, 40, 10_000] {
        let mut watch = worn_watch();
        let (before, info) = (offered(&mut watch), watch.info());
        assert!(watch.misbehave(Misbehaviour::RollBack { blocks }));
        let head = Seq(info.head.0.saturating_sub(blocks));
        assert_eq!((watch.info().head, watch.info().log_id), (head, info.log_id));
        assert!(offered(&mut watch).iter().eq(before.range(..=head)));

        let mut watch = SimWatch::power_on(watch.flash().clone(), WatchOptions::default());
        watch.record_all(worn(&mut Rng::with_seed(22), 0, 4));
        let after = offered(&mut watch);
        assert!(after.range(..=head).eq(before.range(..=head)));
        let twice = after.iter().filter(|(seq, bytes)| before.get(seq).is_some_and(|old| old != *bytes));
        assert_eq!(twice.count() as u32, info.head.0 - head.0, "{blocks} blocks forgotten");
    }
}

#[test]
fn chance_picks_what_the_watch_can_do() {
    let mut rng = Rng::with_seed(2);
    assert_eq!(Misbehaviour::any(&watch(4), &mut rng), None);
    let mut watch = worn_watch();
    for _ in 0..50 {
        if let Some(how) = Misbehaviour::any(&watch, &mut rng) {
            assert!(watch.misbehave(how), "{how:?}");
        }
    }
    assert!(!watch.misbehave(Misbehaviour::CorruptOnce(Seq(1_000_000))));
}
