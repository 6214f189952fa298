//! A folder with troubles of its own: each is named, and nothing is lost meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nowbridge::config::FolderFormat;
use nowbridge::upload::sinks::Folder;
use nowbridge::upload::{HoldReason, UploadState, UploadStatus};
use nowbridge::wire::bridge::Stream;
use tempfile::TempDir;

use crate::support::outbox::WATCH;
use crate::support::upload::{Depot, Loop, Recorder, config, sample};

const DAY: &str = "HEART_RATE/2023-01-01.csv";

/// An outbox with some heart rate, and a place for a folder.
async fn scene() -> (Depot, TempDir) {
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &[sample(0, 60), sample(1_000, 61)]);
    (Depot::holding(&mut recorder).await, tempfile::tempdir().unwrap())
}

fn start(root: &Path, depot: &Depot) -> Loop {
    Loop::to(config(), Folder::new(root.to_owned(), FolderFormat::Csv), &depot.outbox)
}

fn reason(status: &UploadStatus) -> &HoldReason {
    let UploadState::Holding { reason, .. } = &status.state else { panic!("it goes on: {status:?}") };
    reason
}

#[track_caller]
fn misdirected(status: &UploadStatus) -> &str {
    let HoldReason::Misdirected { detail } = reason(status) else { panic!("{status:?}") };
    detail
}

fn content(root: &Path) -> String {
    fs::read_to_string(root.join(WATCH.to_string()).join(DAY)).unwrap()
}

const WHOLE: &str = "datetime,value,quality_indicator\n1672531200,60,4\n1672531201,61,4\n";

#[tokio::test(start_paused = true)]
async fn a_drive_that_is_not_mounted_is_waited_for_and_nothing_is_written_beneath() {
    let (depot, dir) = scene().await;
    let root = dir.path().join("drive");
    let mut uploading = start(&root, &depot);
    let status = uploading.holding().await;
    assert!(misdirected(&status).contains("is not there; make it, or mount"), "{status:?}");
    assert!(!root.exists());
    fs::create_dir(&root).unwrap();
    uploading.idle().await;
    assert_eq!(content(&root), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_for_and_the_old_file_stays_whole() {
    let (depot, dir) = scene().await;
    let folder = dir.path().join(WATCH.to_string()).join("HEART_RATE");
    fs::create_dir_all(&folder).unwrap();
    let old = "datetime,value,quality_indicator\n1672531201,99,0\n1672531300,70,4\n";
    fs::write(folder.join("2023-01-01.csv"), old).unwrap();
    // Whoever writes there finds the disk full.
    symlink("/dev/full", folder.join(".2023-01-01.csv.new")).unwrap();

    let mut uploading = start(dir.path(), &depot);
    let status = uploading.holding().await;
    let HoldReason::Unavailable { detail, .. } = reason(&status) else { panic!("{status:?}") };
    assert!(detail.contains("2023-01-01.csv") && detail.contains("make room"), "{detail}");
    assert_eq!((content(dir.path()).as_str(), depot.outbox.receipts(9).await.unwrap().len()), (old, 0));

    uploading.idle().await;
    assert_eq!(content(dir.path()), format!("{WHOLE}1672531300,70,4\n"));
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["2023-01-01.csv"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_somebody_else_wrote_is_named_and_left() {
    let (depot, dir) = scene().await;
    let path = dir.path().join(WATCH.to_string()).join(DAY);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let theirs = "datetime,value,quality_indicator\n1672531200,about sixty,4\n";
    fs::write(&path, theirs).unwrap();
    let mut uploading = start(dir.path(), &depot);
    let status = uploading.holding().await;
    let detail = misdirected(&status);
    assert!(detail.contains("2023-01-01.csv line 2") && detail.contains("move the file away"), "{detail}");
    assert_eq!(content(dir.path()), theirs);
    fs::remove_file(path).unwrap();
    uploading.idle().await;
    assert_eq!(content(dir.path()), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn something_that_is_no_folder_is_named() {
    let (depot, dir) = scene().await;
    let in_the_way = dir.path().join(WATCH.to_string());
    fs::write(&in_the_way, "").unwrap();
    let mut uploading = start(dir.path(), &depot);
    let status = uploading.holding().await;
    assert!(misdirected(&status).contains(in_the_way.to_str().unwrap()), "{status:?}");
    assert_eq!(depot.waiting().await, 2);
}
