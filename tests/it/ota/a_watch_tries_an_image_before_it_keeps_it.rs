//! The states of a watch with two slots, row by row: section 3.3 of the reference on firmware.

use nowbridge::sim::smp::{Booted, Build, Flags, Mode, SmpDevice};
use nowbridge::wire::smp::{ImageCode, MgmtCode, Request, Style};

use super::host::{ask, erase, firmware, first, hash, list, part, upload, watch, write};

const OLD: &str = "0 1.0.0 bootable confirmed active";
const TRIAL: [&str; 2] = ["0 2.0.0 bootable active", "1 1.0.0 bootable confirmed"];

fn new() -> Vec<u8> {
    firmware("2.0.0", 13_000)
}

/// The new image is in slot 1.
fn uploaded(mode: Mode) -> SmpDevice {
    let mut watch = watch(Build { mode, ..Build::default() });
    upload(&mut watch, &new()).unwrap();
    watch
}

/// The new image runs, and is not kept yet.
fn on_trial(mode: Mode) -> SmpDevice {
    let mut watch = uploaded(mode);
    write(&mut watch, Some(&hash(&new())), false).unwrap();
    assert_eq!(watch.boot(), Booted::Updated);
    watch
}

#[test]
fn before_anything_is_tried() {
    let mut watch = watch(Build::default());
    let old = watch.running_hash().unwrap();
    assert_eq!(list(&mut watch), [OLD]);
    assert_eq!(write(&mut watch, None, false), Err(ImageCode::InvalidHash));
    assert_eq!(write(&mut watch, Some(&[1; 31]), false), Err(ImageCode::InvalidHash));
    assert_eq!(write(&mut watch, Some(&[1; 32]), false), Err(ImageCode::HashNotFound));
    assert_eq!(write(&mut watch, None, true).unwrap(), [OLD]);
    assert_eq!(write(&mut watch, Some(&old.0), true).unwrap(), [OLD]);
    assert_eq!(write(&mut watch, Some(&old.0), false), Err(ImageCode::TestActiveDenied));
    assert_eq!(erase(&mut watch, Some(0)), Err(ImageCode::NoFreeSlot));
    assert_eq!(erase(&mut watch, Some(2)), Err(ImageCode::InvalidSlot));
    upload(&mut watch, &new()).unwrap();
    assert_eq!(list(&mut watch), [OLD, "1 2.0.0 bootable"]);
    assert_eq!(watch.boot(), Booted::AsBefore);
    assert_eq!(list(&mut watch), [OLD, "1 2.0.0 bootable"]);
    assert_eq!(erase(&mut watch, None), Ok(()));
    assert_eq!(list(&mut watch), [OLD]);
}

#[test]
fn while_a_test_is_pending() {
    let mut watch = uploaded(Mode::SwapOffset);
    let new = hash(&new());
    let pending = [OLD, "1 2.0.0 bootable pending"];
    assert_eq!(write(&mut watch, Some(&new), false).unwrap(), pending);
    assert_eq!(write(&mut watch, Some(&new), false).unwrap(), pending, "again");
    for hash in [None, Some(&new[..])] {
        assert_eq!(write(&mut watch, hash, true), Err(ImageCode::AlreadyPending));
    }
    let mut erased = watch.clone();
    assert_eq!(erase(&mut erased, None), Ok(()));
    assert_eq!(erased.boot(), Booted::AsBefore);
    assert_eq!(watch.boot(), Booted::Updated);
    assert_eq!(list(&mut watch), TRIAL);
}

#[test]
fn while_an_image_is_on_trial() {
    for mode in [Mode::SwapOffset, Mode::SwapScratch] {
        let mut watch = on_trial(mode);
        let old = hash(&firmware("1.0.0", 9_000));
        assert_eq!(list(&mut watch), TRIAL);
        assert_eq!(write(&mut watch, Some(&old), false), Err(ImageCode::AlreadyPending));
        assert_eq!(part(&mut watch, first(&new(), 64)), Err(ImageCode::NoFreeSlot));
        assert_eq!(erase(&mut watch, None), Err(ImageCode::NoFreeSlot));

        let mut kept = watch.clone();
        let listed = write(&mut kept, None, true).unwrap();
        let both = ["0 2.0.0 bootable confirmed active", "1 1.0.0 bootable"];
        // With a free page in slot 1, the old image does not lie where an update would, and is no longer found.
        assert_eq!(listed, if mode == Mode::SwapOffset { &both[..1] } else { &both[..] });
        assert_eq!(kept.boot(), Booted::AsBefore);
        assert_eq!(list(&mut kept), listed);

        assert_eq!(watch.boot(), Booted::Reverted);
        assert_eq!(list(&mut watch), [OLD, "1 2.0.0 bootable"]);
        assert_eq!(write(&mut watch, Some(&hash(&new())), false).unwrap()[1], "1 2.0.0 bootable pending");
        assert_eq!(watch.boot(), Booted::Updated, "it can be tried again");
    }
}

#[test]
fn an_image_that_is_damaged_is_listed_and_not_started() {
    let mut watch = uploaded(Mode::SwapOffset);
    let mut damaged = new();
    damaged[700] ^= 1;
    watch.place(1, &damaged);
    assert_eq!(list(&mut watch)[1], "1 2.0.0 bootable");
    assert_eq!(write(&mut watch, Some(&hash(&damaged)), false).unwrap()[1], "1 2.0.0 bootable pending");
    assert_eq!(watch.boot(), Booted::Rejected);
    assert_eq!(list(&mut watch), [OLD]);
}

#[test]
fn for_good_is_for_good() {
    let mut watch = uploaded(Mode::SwapOffset);
    assert_eq!(
        write(&mut watch, Some(&hash(&new())), true).unwrap(),
        [OLD, "1 2.0.0 bootable pending permanent"]
    );
    assert_eq!(watch.boot(), Booted::Updated);
    for _ in 0..2 {
        assert_eq!(list(&mut watch), ["0 2.0.0 bootable confirmed active"]);
        assert_eq!(watch.boot(), Booted::AsBefore);
    }
    let mut overwritten = uploaded(Mode::OverwriteOnly);
    let tried = write(&mut overwritten, Some(&hash(&new())), false).unwrap();
    assert_eq!(tried[1], "1 2.0.0 bootable pending permanent");
    assert_eq!(overwritten.boot(), Booted::Updated);
    assert_eq!(list(&mut overwritten), ["0 2.0.0 bootable confirmed active"]);
}

#[test]
fn old_firmware_speaks_in_its_own_way() {
    let build = Build {
        flags: Flags::V1_ONLY.and(Flags::NO_PARAMS).and(Flags::NO_SLOT_INFO),
        style: Style { legacy_rc: true, indefinite: false, frugal: true },
        ..Build::default()
    };
    let mut watch = watch(build);
    let asked = |request: Request| request.encode(nowbridge::wire::smp::Version::V2, 3).unwrap();
    // {"r": "x", "rc": 0}, with counted containers, in version 1.
    let echo = watch.handle(&asked(Request::Echo("x".to_owned())));
    assert_eq!(hex::encode(&echo[0]), "0300000900000300a261726178627263 00".replace(' ', ""));
    for request in [Request::Params, Request::SlotInfo] {
        let refused = ask_v1(&mut watch, &request);
        assert_eq!(refused, Some(MgmtCode::NotSupported), "{request:?}");
    }
    let refused = ask_v1(&mut watch, &Request::Erase { slot: Some(0) });
    assert_eq!(refused, Some(ImageCode::NoFreeSlot.v1()));
    let state = &watch.handle(&asked(Request::ReadState))[0];
    assert!(!state.windows(7).any(|key| key == b"pending"), "what is false is left out");
}

/// The refusal.
fn ask_v1(watch: &mut SmpDevice, request: &Request) -> Option<MgmtCode> {
    ask(watch, request).unwrap_err().mgmt_code()
}
