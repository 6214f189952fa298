//! What people take for an InfiniTime package, and what they are told to give instead.

use nowbridge::wire::dfu::{InitPacket, Package, PackageError, ROOM, crc16};
use proptest::prelude::*;

use super::infinitime::{image, manifest, package, zipped};

fn of(image: &[u8], manifest: &str, dat: &[u8]) -> PackageError {
    Package::parse(&zipped(&[("app.bin", image), ("app.dat", dat), ("manifest.json", manifest.as_bytes())]))
        .unwrap_err()
}

#[test]
fn a_release_is_read() {
    let image = image("1.14.0", 3_000);
    let package = Package::parse(&package(&image)).unwrap();
    assert_eq!(package.image, image);
    assert_eq!((package.init_packet.len(), package.mcuboot.version().to_string().as_str()), (14, "1.14.0"));
}

#[test]
fn each_wrong_package_is_told_the_way_out() {
    let image = image("1.14.0", 3_000);
    let crc = crc16(&image);
    let dat = InitPacket::infinitime(crc).encode();
    let large = vec![0x5a; ROOM as usize + 1];
    let tight = vec![0; 300_000];
    let whole = package(&image);
    let other = InitPacket { device_type: 1, ..InitPacket::infinitime(crc) }.encode();
    let many: Vec<String> = (0..40).map(|number| format!("{number}.txt")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let more = manifest(crc).replace("\"application\":", "\"bootloader\":{},\"application\":");
    let parse = |file: &[u8]| Package::parse(file).unwrap_err();
    let cases = [
        (parse(&image), "give the zip"),
        (parse(b"<html>"), "give the package"),
        (parse(&whole[..whole.len() - 30]), "download it again"),
        (parse(&zipped(&[("resources.json", b"{}")])), "not the resources"),
        (parse(&zipped(&many)), "40 files"),
        (parse(&zipped(&[("manifest.json", b"{\"files\":[]}")])), "give the package of the release"),
        (parse(&zipped(&[("manifest.json", manifest(crc).as_bytes())])), "no app.dat"),
        (parse(&zipped(&[("manifest.json", &vec![b' '; 70_000])])), "more than 65536 bytes"),
        (of(&image, &manifest(crc ^ 1), &dat), "its manifest says"),
        (of(&image, &manifest(crc), &InitPacket::infinitime(crc ^ 1).encode()), "its init packet says"),
        (of(&image, &manifest(crc), &dat[..13]), "13 bytes where 14"),
        (of(&image, &manifest(crc), &other), "give the one for your watch"),
        (of(&image, &more, &dat), "application alone"),
        (of(&large, &manifest(crc), &dat), "has no room for more"),
        (of(&tight, &manifest(crc), &dat), "more tightly than code"),
    ];
    for (error, wanted) in cases {
        assert!(error.to_string().contains(wanted), "{wanted:?} is not in: {error}");
    }
    let raw = b"a raw binary that no boot loader takes";
    let crc = crc16(raw);
    let error = of(raw, &manifest(crc), &InitPacket::infinitime(crc).encode());
    assert!(matches!(error, PackageError::NotMcuboot(_)), "{error}");
}

proptest! {
    #[test]
    fn a_damaged_package_is_never_taken_for_another(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let image = image("1.14.0", 600);
        let mut file = package(&image).to_vec();
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        if let Ok(package) = Package::parse(&file) {
            prop_assert_eq!(package.image, image);
        }
    }

    #[test]
    fn any_bytes_are_refused(tail in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Package::parse(&[&b"PK\x03\x04"[..], &tail].concat()).is_err());
        prop_assert!(Package::parse(&tail).is_err());
    }
}
