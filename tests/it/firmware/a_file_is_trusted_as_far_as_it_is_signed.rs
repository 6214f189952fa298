use nowbridge::clock::Trust;
use nowbridge::config::Require;
use nowbridge::firmware::{
    Because, CheckName, Memory, Policy, Problem, Skipped, Stated, TrustLevel, Verdict,
};
use nowbridge::measurement::UtcMicros;
use nowbridge::wire::Sha256;

use super::{Case, NOW, Publisher};

/// Only the file.
fn bare(publisher: &Publisher) -> Case {
    Case { manifest: None, signature: None, policy: Policy::default(), ..publisher.release() }
}

#[test]
fn each_level_needs_what_it_says() {
    let publisher = Publisher::new(1);
    let mut case = bare(&publisher);
    let reached = |case: &Case| case.passed().level;
    assert_eq!(reached(&case), TrustLevel::None);
    case.stated = Stated { sha256: Some(Sha256::of(&case.file)), ..Stated::default() };
    assert_eq!(reached(&case), TrustLevel::Checksum);
    case.stated.version = Some("1.4.0".to_owned());
    assert_eq!(reached(&case), TrustLevel::Image);
    case.policy = publisher.policy();
    case.signature = Some(publisher.sign(&case.file, "timestamp:1\tfile:app.bin\tversion:1.4.0"));
    assert_eq!(reached(&case), TrustLevel::Signature);
    assert_eq!(publisher.release().passed().level, TrustLevel::Manifest);
    // The image's own signature is one with a pinned key, too.
    let mut image = bare(&publisher);
    image.policy.image_keys = vec![super::image_key(&Publisher::new(2)), super::image_key(&publisher)];
    assert_eq!(reached(&image), TrustLevel::Signature);
}

#[test]
fn what_was_announced_must_be_what_came() {
    let mut case = bare(&Publisher::new(1));
    case.stated.version = Some("1.5.0".to_owned());
    assert!(matches!(case.refused(CheckName::Announced), Problem::Version { .. }));
    case.stated = Stated { size: Some(1), ..Stated::default() };
    assert!(matches!(case.refused(CheckName::Announced), Problem::Size { stated: 1, .. }));
    case.stated = Stated { sha256: Some(Sha256([0; 32])), ..Stated::default() };
    assert!(matches!(case.refused(CheckName::Announced), Problem::Checksum { .. }));
}

#[test]
fn a_right_signature_of_another_file_is_no_signature_of_this_one() {
    let publisher = Publisher::new(1);
    let mut case = bare(&publisher);
    case.policy = publisher.policy();
    for comment in ["file:band.bin", "timestamp:1\tfile:app.bin\tversion:1.5.0"] {
        case.signature = Some(publisher.sign(&case.file, comment));
        assert!(matches!(case.refused(CheckName::TrustedComment), Problem::Comment { .. }), "{comment}");
    }
    // The one key is as good as the other.
    let successor = Publisher::new(2);
    case.policy.signing_keys.extend(successor.policy().signing_keys);
    case.signature = Some(successor.sign(&case.file, "whatever"));
    case.passed();
}

#[test]
fn once_keys_are_pinned_nothing_unsigned_passes() {
    let publisher = Publisher::new(1);
    let mut case = bare(&publisher);
    case.policy = publisher.policy();
    case.stated.version = Some("1.4.0".to_owned());
    let problem = case.refused(CheckName::Policy);
    let because = Because::KeysPinned;
    let (reached, needed) = (TrustLevel::Image, TrustLevel::Signature);
    assert_eq!(problem, Problem::Level { reached, needed, because });
    assert!(problem.is_about_trust());
    case.policy.require = Require::Checksum;
    case.passed();
}

#[test]
fn a_watch_is_never_given_less_than_before() {
    let publisher = Publisher::new(1);
    let first = publisher.release().passed();
    assert_eq!(first.memory.level, TrustLevel::Manifest);
    let mut later = bare(&publisher);
    later.memory = first.memory;
    later.policy = Policy { require: Require::None, ..publisher.policy() };
    let Problem::Level { needed, because, .. } = later.refused(CheckName::Policy) else { panic!() };
    assert_eq!((needed, because), (TrustLevel::Manifest, Because::Remembered));
}

#[test]
fn what_is_remembered_is_what_was_certain() {
    let publisher = Publisher::new(1);
    let mut case = publisher.release();
    let created = UtcMicros("2026-11-20T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let learnt = case.passed().memory;
    assert_eq!(learnt.sequence, Some(42));
    assert_eq!(learnt.trusted_time, Some(NOW));
    assert_eq!(learnt.security_counter, None, "that is for when it is confirmed on the watch");
    // A clock that may be wrong is no certain time.
    case.now.trust = Trust::Unknown;
    assert_eq!(case.passed().memory.trusted_time, Some(created));
    case.memory = Memory { trusted_time: Some(NOW), sequence: Some(41), ..Memory::default() };
    assert_eq!(
        case.passed().memory,
        Memory { level: TrustLevel::Manifest, sequence: Some(42), ..case.memory }
    );
}

#[test]
fn without_a_clock_a_manifest_proves_nothing_new() {
    let mut case = Publisher::new(1).release();
    case.now.trust = Trust::Unsynchronised;
    case.now.at = UtcMicros(0);
    let report = case.check();
    assert_eq!(report.level, TrustLevel::Signature);
    let skipped = Verdict::NotDone(Skipped::Clock(Trust::Unsynchronised));
    assert_eq!(report.verdict(CheckName::Expiry), Some(&skipped));
    assert!(!report.satisfied());
}

#[test]
fn a_manifest_that_nobody_could_check_is_worth_a_checksum() {
    let mut case = Publisher::new(1).release();
    case.policy = Policy::default();
    assert_eq!(case.passed().level, TrustLevel::Image);
    case.policy.require = Require::Signature;
    case.refused(CheckName::Policy);
}
