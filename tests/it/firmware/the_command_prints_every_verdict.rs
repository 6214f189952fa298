use std::fs;
use std::path::Path;

use super::Publisher;
use crate::support::process::{Ended, Home};

/// A home where the publisher's key is pinned, and a release lies about.
fn home(publisher: &Publisher) -> Home {
    let key = publisher.signing.pk.to_base64();
    let home = Home::new(&format!("[firmware]\nsigning_keys = [\"{key}\"]\n"));
    let file = publisher.image();
    let mut manifest = Publisher::manifest(&file);
    // The command asks the real clock.
    manifest["created"] = "2025-01-01T00:00:00Z".into();
    manifest["expires"] = "2999-01-01T00:00:00Z".into();
    let manifest = manifest.to_string().into_bytes();
    fs::write(home.path("app.json.minisig"), publisher.sign(&manifest, "file:app.json")).unwrap();
    fs::write(home.path("app.bin.minisig"), publisher.sign(&file, "file:app.bin")).unwrap();
    fs::write(home.path("app.json"), manifest).unwrap();
    fs::write(home.path("app.bin"), file).unwrap();
    home
}

async fn check(home: &Home, file: &str, more: &[&str]) -> Ended {
    let path = home.path(file);
    home.run(&[&["firmware", "check", text(&path)], more].concat()).await
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The line of one check.
#[track_caller]
fn line<'a>(ended: &'a Ended, name: &str, verdict: &str) -> &'a str {
    let line = ended.stdout.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {ended:?}"));
    assert!(line[name.len()..].trim_start().starts_with(verdict), "{line}");
    line
}

#[tokio::test]
async fn a_signed_file_passes_without_a_daemon() {
    let home = home(&Publisher::new(1));
    let ended = check(&home, "app.bin", &["--installed", "1.3.2"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    line(&ended, "image ", "passed    1.4.0, ");
    line(&ended, "signature", "passed    of the file, with the key");
    line(&ended, "version", "passed    1.3.2 to 1.4.0");
    line(&ended, "product", "not done");
    assert!(ended.stdout.contains("may go to the watch: level 3 (signature)"), "{ended:?}");
}

#[tokio::test]
async fn a_manifest_is_only_worth_a_level_with_the_watch_known() {
    let home = home(&Publisher::new(1));
    let manifest = home.path("app.json");
    let manifest = ["--manifest", text(&manifest)];
    let watch = ["--product", "watch", "--hw", "rev-a", "--installed", "1.3.2", "--json"];
    let ended = check(&home, "app.bin", &[&manifest[..], &watch].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&json["level"], &json["satisfied"]), (&"manifest".into(), &true.into()));
    let sequence = json["checks"].as_array().unwrap().iter().find(|check| check["name"] == "sequence");
    assert_eq!(sequence.unwrap()["verdict"], "not_done");

    let ended = check(&home, "app.bin", &manifest).await;
    assert_eq!(ended.code, Some(77), "{ended:?}");
    assert!(line(&ended, "product", "not done").contains("--product"));
    let ended = check(&home, "app.bin", &[&manifest[..], &["--product", "band"]].concat()).await;
    assert_eq!(ended.code, Some(65), "{ended:?}");
}

#[tokio::test]
async fn what_is_damaged_and_what_is_not_trusted_end_differently() {
    let (ours, theirs) = (Publisher::new(1), Publisher::new(2));
    let home = home(&ours);
    fs::write(home.path("app.bin.minisig"), theirs.sign(&theirs.image(), "file:app.bin")).unwrap();
    let ended = check(&home, "app.bin", &[]).await;
    assert_eq!(ended.code, Some(77), "{ended:?}");
    line(&ended, "signature", "FAILED");
    let ended = check(&home, "app.bin", &["--installed", "1.5.0"]).await;
    assert!(line(&ended, "version", "FAILED").contains("--allow-downgrade"));

    fs::write(home.path("page.bin"), "<html>\u{1b}[2J").unwrap();
    let ended = check(&home, "page.bin", &[]).await;
    assert_eq!(ended.code, Some(65), "{ended:?}");
    line(&ended, "image", "FAILED");
    assert!(!ended.stdout.contains('\u{1b}'));
}

#[tokio::test]
async fn verify_answers_yes_or_no() {
    let home = home(&Publisher::new(1));
    let file = home.path("app.bin");
    let verify = async || home.run(&["firmware", "verify", text(&file)]).await;
    let ended = verify().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("a whole image: 1.4.0"));
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let ended = verify().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("cut off"));
    fs::remove_file(&file).unwrap();
    let gone = verify().await;
    assert!(gone.refused(65).contains("app.bin cannot be read"), "{gone:?}");
}
