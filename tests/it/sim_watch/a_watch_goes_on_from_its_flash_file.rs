//! `--flash FILE`: a simulated watch that outlives its process.

use fastrand::Rng;
use nowbridge::sim::watch::{Flash, FlashError, SimWatch, WatchOptions};
use nowbridge::wire::bridge::{DeviceId, LogStore};

use crate::support::watch::{offered, watch, worn};

#[test]
fn with_the_same_blocks_and_the_same_identity() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("watch.flash");
    let mut first = watch(32);
    first.record_all(worn(&mut Rng::with_seed(8), 0, 3));
    first.seal_all();
    first.flash().save(&file).unwrap();

    let flash = Flash::load(&file).unwrap();
    assert_eq!((&flash, flash.ring_pages()), (first.flash(), 32));
    let other = WatchOptions { device_id: DeviceId([1; 16]), seed: 99, ..WatchOptions::default() };
    let mut second = SimWatch::power_on(flash, other);
    assert_eq!((second.device_id(), second.log_id()), (first.device_id(), first.log_id()));
    assert_eq!(second.boot().0, first.boot().0 + 1);
    assert_eq!(offered(&mut second), offered(&mut first));
    assert_eq!(second.ledger().samples, first.ledger().samples);

    let head = second.info().head;
    second.record_all(worn(&mut Rng::with_seed(9), 0, 1));
    assert!(second.block(head.next()).unwrap().is_some_and(|(seq, _)| seq == head.next()));
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Flash::load(&folder.path().join("gone.flash")).unwrap_err();
    assert!(matches!(error, FlashError::Io { .. }));
    assert!(error.to_string().contains("gone.flash"));
}
