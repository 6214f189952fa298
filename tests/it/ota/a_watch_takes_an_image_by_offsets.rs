//! The rules of an upload, from the watch's side: section 3.2 of the reference on firmware.

use nowbridge::sim::smp::{Build, Fault, Flags, Mode, PAGE, Planned, Step};
use nowbridge::wire::smp::{ImageCode, UploadRequest, UploadResponse};

use super::host::{erase, firmware, first, hash, later, list, part, upload, watch, write};

#[allow(clippy::unnecessary_wraps, reason = "it is what answers are compared with")]
const fn off(off: u32) -> Result<UploadResponse, ImageCode> {
    Ok(UploadResponse { off, matched: None })
}

#[test]
fn a_file_arrives_whole_and_is_listed_only_then() {
    for mode in [Mode::SwapOffset, Mode::SwapScratch, Mode::OverwriteOnly] {
        for flags in [Flags::default(), Flags::PROGRESSIVE_ERASE] {
            let mut watch = watch(Build { mode, flags, ..Build::default() });
            // What was there before is longer.
            watch.place(1, &firmware("9.9.9", 50_000));
            let file = firmware("2.0.0", 13_000);
            assert_eq!(part(&mut watch, first(&file, 500)), off(500));
            assert_eq!(list(&mut watch), ["0 1.0.0 bootable confirmed active"]);
            assert_eq!(upload(&mut watch, &file), off(file.len() as u32));
            assert!(watch.holds(&file));
            assert_eq!(list(&mut watch), ["0 1.0.0 bootable confirmed active", "1 2.0.0 bootable"]);
        }
    }
}

#[test]
fn an_upload_outlives_its_link_and_not_a_restart() {
    let mut watch = watch(Build::default());
    let file = firmware("2.0.0", 5_000);
    assert_eq!(part(&mut watch, first(&file, 300)), off(300));
    assert_eq!(part(&mut watch, first(&file, 200)), off(300), "known by its hash");
    assert_eq!(part(&mut watch, later(&file, 300, 100)), off(400));
    assert_eq!(part(&mut watch, later(&file, 300, 100)), off(400), "sent twice");
    assert_eq!(part(&mut watch, later(&file, 600, 100)), off(400), "one was lost");
    let nameless = UploadRequest { sha: None, ..first(&file, 64) };
    assert_eq!(part(&mut watch, nameless), off(64), "nobody knows whether it is the same");
    assert_eq!(part(&mut watch, first(&file, 300)), off(300));
    watch.boot();
    assert_eq!(part(&mut watch, later(&file, 300, 100)), off(0));
    assert_eq!(part(&mut watch, first(&file, 128)), off(128));
    assert_eq!(erase(&mut watch, None), Ok(()));
    assert_eq!(part(&mut watch, later(&file, 128, 100)), off(0), "erasing ends it");
}

#[test]
fn more_than_was_announced_is_refused() {
    let mut watch = watch(Build::default());
    let file = firmware("2.0.0", 900);
    let short = UploadRequest { len: Some(500), ..first(&file, 400) };
    assert_eq!(part(&mut watch, short.clone()), off(400));
    assert_eq!(part(&mut watch, later(&file, 400, 101)), Err(ImageCode::Overrun));
    assert_eq!(part(&mut watch, later(&file, 400, 100)), off(500));
    let at_once = UploadRequest { sha: None, data: file[..501].to_vec().into(), ..short };
    assert_eq!(part(&mut watch, at_once), Err(ImageCode::Overrun));
}

#[test]
fn what_does_not_fit_is_refused_at_the_first_part() {
    // A page is for the trailer; in the mode that needs a free page another.
    for (mode, pages) in [(Mode::SwapOffset, 6), (Mode::SwapScratch, 7), (Mode::OverwriteOnly, 7)] {
        let mut watch = watch(Build { mode, slot: 8 * PAGE, ..Build::default() });
        let file = firmware("2.0.0", 100);
        let of = |len: usize| UploadRequest { len: Some(len as u32), ..first(&file, 100) };
        assert_eq!(part(&mut watch, of(pages * PAGE + 1)), Err(ImageCode::TooLarge));
        assert_eq!(part(&mut watch, of(pages * PAGE)), off(100));
    }
    let mut watch = watch(Build::default());
    let other = UploadRequest { image: Some(1), ..first(&firmware("2.0.0", 100), 100) };
    assert_eq!(part(&mut watch, other), Err(ImageCode::NoFreeSlot));
}

#[test]
fn only_newer_images_pass_where_that_is_asked() {
    for (version, flags, wanted) in [
        ("0.9.9", Flags::default(), Err(ImageCode::CurrentIsNewer)),
        ("1.0.0", Flags::default(), Err(ImageCode::CurrentIsNewer)),
        ("1.0.0+7", Flags::default(), Err(ImageCode::CurrentIsNewer)),
        ("1.0.0+7", Flags::BUILDS_COUNT, off(64)),
        ("1.0.1", Flags::default(), off(64)),
    ] {
        let mut watch = watch(Build { flags, ..Build::default() });
        let file = firmware(version, 200);
        let newer = UploadRequest { upgrade: true, ..first(&file, 64) };
        assert_eq!(part(&mut watch, newer), wanted, "{version}");
        assert_eq!(part(&mut watch, first(&file, 64)), off(64));
    }
}

#[test]
fn a_watch_that_checks_compares_the_file() {
    let mut watch = watch(Build { flags: Flags::IMAGE_CHECK, ..Build::default() });
    let file = firmware("2.0.0", 3_000);
    let len = file.len() as u32;
    let wrong = UploadRequest { sha: Some(vec![5; 32].into()), ..first(&file, 4_000) };
    assert_eq!(part(&mut watch, wrong), Ok(UploadResponse { off: len, matched: Some(false) }));
    let right = Ok(UploadResponse { off: len, matched: Some(true) });
    assert_eq!(upload(&mut watch, &file), right);
    assert_eq!(part(&mut watch, first(&file, 64)), right, "it has it already");
}

#[test]
fn an_upload_takes_a_request_to_test_with_it() {
    let mut watch = watch(Build::default());
    let file = firmware("2.0.0", 3_000);
    upload(&mut watch, &file).unwrap();
    write(&mut watch, Some(&hash(&file)), false).unwrap();
    assert_eq!(part(&mut watch, first(&file, 64)), off(64));
    watch.boot();
    assert_eq!(list(&mut watch), ["0 1.0.0 bootable confirmed active"]);
}

#[test]
fn flash_that_fails_ends_the_upload() {
    let mut watch = watch(Build::default());
    let file = firmware("2.0.0", 3_000);
    watch.plan([Planned { fault: Fault::FlashFails, step: Step::Upload, nth: 2, times: 1 }]);
    assert_eq!(part(&mut watch, first(&file, 64)), off(64));
    assert_eq!(part(&mut watch, later(&file, 64, 64)), Err(ImageCode::FlashWrite));
    assert_eq!(part(&mut watch, later(&file, 64, 64)), off(0));
    assert_eq!(watch.struck(), 1);
}
