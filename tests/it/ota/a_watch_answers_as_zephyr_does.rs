//! The simulated watch, in the situations in which a real Zephyr was recorded, answers byte for byte as that did.
//!
//! The images that were recorded are not at hand; what stands in for them has their length, their version and the hash in their TLV.
//! It would not start, and nothing here starts it.

use std::collections::BTreeMap;

use nowbridge::sim::smp::{Build, Flags, SmpDevice};
use nowbridge::wire::smp::Params;

/// In the firmware that the recorded watch came with.
const FACTORY: &str = "1baa222074cc805faf4e09846d2377886b1e5ef7cfccd9eac1554d82d9aa9d5a";
/// In version 1.2.3.45.
const NEW: &str = "40704ddc2dedf6608847dc221c7e806f88692500295cba411706189f09f84183";

fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    crate::golden::vectors(include_str!("../../golden/v1/smp.txt"))
}

/// 49 692 bytes: a header of 512, a payload of 49 140, and a hash that is not theirs.
fn stand_in(version: [u8; 8], hash: &str) -> Vec<u8> {
    let mut image = hex::decode("3db8f3960000000000020000f4bf000000000000").unwrap();
    image.extend(version);
    image.resize(0x200 + 0xbff4, 0);
    image.extend(hex::decode("0769280010002000").unwrap());
    image.extend(hex::decode(hash).unwrap());
    image
}

fn factory() -> Vec<u8> {
    stand_in([0; 8], FACTORY)
}

fn new() -> Vec<u8> {
    stand_in([1, 2, 3, 0, 45, 0, 0, 0], NEW)
}

/// As it was recorded over a serial line.
fn watch() -> SmpDevice {
    let build = Build {
        flags: Flags::NO_BOOTLOADER_INFO,
        buffers: Params { buf_size: 384, buf_count: 4 },
        slot: 106_496,
        ..Build::default()
    };
    SmpDevice::new(build, &factory())
}

/// Asks as was asked, in this order, and compares.
fn replay(watch: &mut SmpDevice, group: &str, names: &[&str]) {
    let vectors = vectors();
    for name in names {
        let of = |what: &str| &vectors[format!("{group} {name} {what}").as_str()];
        let replies: Vec<String> = watch.handle(of("request")).iter().map(hex::encode).collect();
        assert_eq!(replies, [hex::encode(of("reply"))], "{group} {name}");
    }
}

#[test]
fn the_os_group_answers() {
    let mut watch = watch();
    replay(
        &mut watch,
        "os",
        &[
            "echo v2 write",
            "echo v1 write",
            "echo read",
            "echo missing d",
            "echo wrong type",
            "os info default",
            "os info bad",
            "os info bad v1",
            "bootloader",
            "bootloader mode",
            "datetime get",
            "unknown cmd in os",
            "version 2 reserved",
            "version 3",
            "len mismatch longer",
            "trailing junk",
            "malformed cbor",
            "reset empty",
        ],
    );
    let of_udp = Build { buffers: Params { buf_size: 2048, buf_count: 2 }, ..Build::default() };
    replay(&mut SmpDevice::new(of_udp, &factory()), "os", &["params v2", "params empty body len0"]);
    assert!(watch.handle(&[8, 0]).is_empty(), "half a header");
    let vectors = vectors();
    let both = watch.handle(&vectors["os two packets in one datagram request"]);
    let first = &vectors["os two packets in one datagram reply"];
    assert_eq!(both, [first.clone(), vectors["os two packets in one datagram second reply"].clone()]);
}

#[test]
fn an_upload_is_answered() {
    let mut watch = watch();
    replay(
        &mut watch,
        "image",
        &[
            "params",
            "bootloader",
            "bootloader mode",
            "bootloader bad",
            "state",
            "slot info",
            "test without hash",
            "test without hash v1",
            "test short hash",
            "test unknown hash",
            "confirm no hash already confirmed",
            "upload no off",
            "upload no off v1",
            "upload off0 no len",
            "upload off0 data 32",
            "upload off0 bad magic",
            "upload off0 sha too long",
            "upload too large",
            "upload upgrade only with same version",
            "upload mid without session off 64",
            "upload first",
            "upload dup off0 same sha",
            "upload gap off 200 expected 64",
            "upload behind off 32",
            "upload next off 64",
            "upload overrun",
            "upload different sha off0",
            "upload first again",
        ],
    );
    watch.boot();
    watch.place(1, &factory());
    replay(
        &mut watch,
        "image",
        &["state after upload", "upload re send same image complete", "erase slot 0"],
    );
}

#[test]
fn a_pending_image_is_guarded() {
    let mut watch = watch();
    watch.place(1, &new());
    let before = ["test on active slot", "test v123", "confirm permanent after test pending"];
    replay(&mut watch, "pending", &before);
    let rest = ["confirm active while test pending", "upload while pending", "erase while pending", "reset"];
    replay(&mut watch, "pending", &rest);
}

#[test]
fn an_image_on_trial_is_guarded() {
    let mut watch = watch();
    watch.place_on_trial(&new(), &factory());
    replay(
        &mut watch,
        "swap",
        &[
            "state raw",
            "test other slot while testing",
            "upload while testing unconfirmed",
            "erase while testing unconfirmed",
            "confirm no hash",
            "upgrade only upload of lower version 1.2.2",
            "upload of lower version w o upgrade flag",
        ],
    );
}
