use std::io::{Cursor, Write};

use nowbridge::firmware::{CheckName, FileKind, Memory, Problem, Verdict};
use nowbridge::wire::mcuboot::{Flags, ImageBuilder, ImageError, Trailer};
use nowbridge::wire::minisign::MinisignError;

use super::{Case, Publisher};

/// The release with another file in it.
fn with(file: impl Into<Vec<u8>>) -> Case {
    Case { file: file.into(), ..Publisher::new(1).release() }
}

#[track_caller]
fn says(problem: &Problem, words: &str) {
    let text = problem.to_string();
    assert!(text.contains(words) && !text.contains('\n'), "no {words:?} in: {text}");
}

#[test]
fn truncated() {
    let whole = Publisher::new(1).image();
    for length in [whole.len() - 1, 700, 100, 20] {
        let problem = with(&whole[..length]).refused(CheckName::Image);
        assert!(matches!(problem, Problem::Image(ImageError::Truncated { .. })), "{length}: {problem}");
        says(&problem, "fetch it again");
    }
}

#[test]
fn of_another_model() {
    let mut case = Publisher::new(1).release();
    case.target.product = Some("band".to_owned());
    says(&case.refused(CheckName::Product), "made for watch, and this watch is band");
    case.target.product = Some("watch".to_owned());
    case.target.hardware = Some("rev-c".to_owned());
    says(&case.refused(CheckName::Hardware), "made for rev-a, rev-b, and this watch is rev-c");
    case.target.hardware = None;
    let Problem::Level { reached, .. } = case.refused(CheckName::Policy) else { panic!() };
    assert_eq!(reached.number(), 3, "a watch that nobody knows is not the right one");
}

#[test]
fn signed_with_another_key() {
    let (ours, theirs) = (Publisher::new(1), Publisher::new(2));
    let case = Case { policy: ours.policy(), ..theirs.release() };
    let problem = case.refused(CheckName::Signature);
    assert!(matches!(problem, Problem::Signature(MinisignError::OtherKey(_))));
    assert_eq!(case.check().manifest, None, "what nobody signed is not even read");

    let mut forged = ours.release();
    forged.manifest.as_mut().unwrap().push(b'\n');
    assert_eq!(forged.refused(CheckName::Signature), Problem::Signature(MinisignError::Wrong));

    let mut image = ours.release();
    image.policy.image_keys = vec![super::image_key(&theirs)];
    says(&image.refused(CheckName::ImageSignature), "another key");
}

#[test]
fn expired() {
    let publisher = Publisher::new(1);
    let mut case = publisher.release_saying(|manifest| manifest["expires"] = "2026-11-22T09:00:00Z".into());
    says(&case.refused(CheckName::Expiry), "expired at 2026-11-22T09:00:00Z; fetch the current one");
    // Setting the clock back brings nothing back.
    case.now.at.0 -= super::HOUR;
    assert!(case.check().satisfied());
    case.memory.trusted_time = Some(super::NOW);
    case.refused(CheckName::Expiry);
}

#[test]
fn older_than_what_runs() {
    let mut case = Publisher::new(1).release();
    case.target.installed = Some("1.4.0+1".parse().unwrap());
    says(&case.refused(CheckName::Version), "--allow-downgrade");
    case.asked.allow_downgrade = true;
    assert!(case.check().satisfied());
    case.memory.security_counter = Some(7);
    assert!(case.check().satisfied());
    case.memory.security_counter = Some(8);
    assert_eq!(case.refused(CheckName::SecurityCounter), Problem::Counter { counter: 7, stored: 8 });
}

#[test]
fn a_zip_instead_of_an_image() {
    let zipped = |files: &[(&str, &str)]| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    let package = r#"{"manifest":{"application":{"bin_file":"a.bin","dat_file":"a.dat"},"dfu_version":0.5}}"#;
    let nordic = zipped(&[("a.bin", "x"), ("a.dat", "x"), ("manifest.json", package)]);
    let problem = with(nordic).refused(CheckName::Image);
    assert_eq!(problem, Problem::File(FileKind::NordicZip));
    says(&problem, "InfiniTime");
    says(&with(zipped(&[("app.bin", "x")])).refused(CheckName::Image), "unpack it and give app.bin");
}

#[test]
fn a_web_page_instead_of_an_image() {
    let problem = with("<!DOCTYPE html>\n<title>Sign in</title>").refused(CheckName::Image);
    assert_eq!(problem, Problem::File(FileKind::Html));
    says(&problem, "fetch the file behind it");
}

#[test]
fn changed_on_the_way() {
    let publisher = Publisher::new(1);
    let mut file = publisher.image();
    file[0x200] ^= 1;
    let problem = with(file.clone()).refused(CheckName::Image);
    assert!(matches!(problem, Problem::Image(ImageError::HashMismatch { .. })));
    says(&problem, "fetch it again");
    // Whole, and yet not the one that the manifest is about.
    let other = ImageBuilder::new("1.4.0".parse().unwrap(), [0x5b; 600]);
    let other = other.header_size(0x200).security_counter(7).signed_by(&publisher.image).build().unwrap();
    let case = Case { file: other, ..publisher.release() };
    assert!(matches!(case.refused(CheckName::ManifestFile), Problem::Checksum { .. }));
}

#[test]
fn too_large_for_the_slot() {
    let mut case = Publisher::new(1).release();
    let size = case.file.len() as u64;
    case.target.slot = Some(size + 39);
    assert_eq!(case.refused(CheckName::Slot), Problem::TooLarge { size, room: size - 1 });
    case.target.slot = Some(size + 40);
    case.passed();
}

#[test]
fn made_never_to_start_or_to_stay_whatever_happens() {
    let image = || ImageBuilder::new("1.4.0".parse().unwrap(), [0x5a; 600]);
    let problem = with(image().flags(Flags::NON_BOOTABLE).build().unwrap()).refused(CheckName::Bootable);
    assert_eq!(problem, Problem::NotBootable);
    let confirmed = with(image().padded(4_096, Trailer::PERMANENT).build().unwrap());
    says(&confirmed.refused(CheckName::Padding), "--confirm");
    let padded = with(image().padded(4_096, Trailer::PENDING).build().unwrap());
    assert_eq!(padded.check().verdict(CheckName::Padding), Some(&Verdict::Passed));
}

#[test]
fn an_old_manifest_shown_again() {
    let mut case = Publisher::new(1).release();
    case.memory = Memory { sequence: Some(43), ..Memory::default() };
    assert_eq!(case.refused(CheckName::Sequence), Problem::OldManifest { sequence: 42, seen: 43 });
    case.memory.sequence = Some(42);
    case.passed();
}

#[test]
fn not_this_watchs_turn_and_not_yet_possible() {
    let mut case = Publisher::new(1).release_saying(|manifest| manifest["rollout_percent"] = 0.into());
    case.passed();
    case.asked.by_hand = false;
    assert_eq!(case.refused(CheckName::Rollout), Problem::NotYet(0));
    case.target.installed = Some("1.0.9".parse().unwrap());
    says(&case.refused(CheckName::MinimumVersion), "install 1.1.0 first");
    case.target.installed = Some("1.4.0".parse().unwrap());
    says(&case.refused(CheckName::Version), "runs 1.4.0 already");
}
