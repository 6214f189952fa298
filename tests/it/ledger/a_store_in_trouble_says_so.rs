//! Whoever meets a damaged outbox, a full disk, a disk that cannot be written or a daemon that dies is told that, and finds no half file.

use std::fs;
use std::path::Path;
use std::process::Command;

use nowbridge::clock::Clock;
use nowbridge::outbox::Outbox;
use nowbridge::wire::bridge::{LogId, Seq, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::support::outbox::{WATCH, block};
use crate::support::process::Home;
use crate::support::upload::{Depot, Recorder, sample};

const NO_RADIO: &str = "[radio]\nkind = \"off\"\n";

/// A file system of its own. Only root may make one.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn at(path: &'a Path, kibibytes: u32) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={kibibytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output();
        if mounted.is_ok_and(|done| done.status.success()) {
            return Some(Self(path));
        }
        eprintln!("SKIPPED: only root may mount a small disk.");
        None
    }

    fn lock(&self) {
        assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(self.0).status().unwrap().success());
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// An hour of heart rate, where the program looks for it.
async fn an_hour(home: &Home) {
    let mut recorder = Recorder::new();
    let heart: Vec<_> =
        (0..3_600_u64).map(|second| sample(second * 1_000, 60 + (second % 37) as i32)).collect();
    recorder.record_all(Stream::HEART_RATE, &heart);
    let depot = Depot::holding(&mut recorder).await;
    depot.outbox.close().await.unwrap();
    fs::create_dir_all(home.state()).unwrap();
    fs::copy(depot.dir.path().join("outbox.db"), home.state().join("outbox.db")).unwrap();
}

fn names_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[tokio::test]
async fn a_backup_is_made_with_a_daemon_and_without() {
    for runs in [false, true] {
        let home = Home::new(NO_RADIO);
        an_hour(&home).await;
        let daemon = if runs { Some(home.daemon().await) } else { None };
        let copies = home.path("copies");
        fs::create_dir(&copies).unwrap();
        let copy = copies.join("outbox.db");
        let told = home.run(&["outbox", "backup", copy.to_str().unwrap(), "--json"]).await;
        let told: serde_json::Value = serde_json::from_str(told.printed()).unwrap();
        assert_eq!(told["bytes"], fs::metadata(&copy).unwrap().len());
        let again = home.run(&["outbox", "backup", copy.to_str().unwrap()]).await;
        assert!(again.refused(64).contains("name another"), "{again:?}");
        let none = home.run(&["outbox", "salvage"]).await;
        assert!(none.printed().contains("nothing is to be salvaged"), "{none:?}");
        let merged = home.run(&["outbox", "salvage", copy.to_str().unwrap(), "--json"]).await;
        let merged: serde_json::Value = serde_json::from_str(merged.printed()).unwrap();
        assert!(merged["merged"]["found"].as_u64() > Some(5) && merged["merged"]["filled"] == 0, "{merged}");
        let small = home.path("small");
        if let Some(_disk) = Disk::at(&small, 16) {
            let full = home.run(&["outbox", "backup", small.join("copy").to_str().unwrap()]).await;
            assert!(full.refused(73).contains("small/copy"), "{full:?}");
            assert_eq!(names_in(&small), [""; 0]);
        }
        if let Some(daemon) = daemon {
            daemon.stop().await;
        }
    }
}

#[tokio::test]
async fn damage_that_shows_while_the_daemon_runs_is_named_with_the_way_out() {
    let home = Home::new(NO_RADIO);
    an_hour(&home).await;
    let mut daemon = home.daemon().await;
    let file = home.state().join("outbox.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4_096..].fill(0xA5);
    fs::write(&file, bytes).unwrap();
    for command in [&["outbox", "list", "--receipts"][..], &["why"], &["status"], &["status", "--watch"]] {
        let told = home.run(command).await;
        let said = told.refused(65);
        assert!(
            said.contains("outbox.db is damaged") && said.contains("restart nowbridge"),
            "{command:?}: {said}"
        );
    }
    let part = home.path("all.csv");
    let told = home.run(&["export", "--format", "csv", part.to_str().unwrap()]).await;
    assert!(told.refused(65).contains("outbox.db is damaged"), "{told:?}");
    assert!(!part.exists());
    assert!(daemon.is_running());
    daemon.kill().await;
    // Where no daemon runs, whoever only looks is told, and whoever mends, mends.
    let look = home.run(&["why"]).await;
    assert!(look.refused(65).contains("outbox.db"), "{look:?}");
    let mended = home.run(&["outbox", "salvage"]).await;
    assert!(mended.code == Some(0) && mended.stdout.contains("outbox.db.corrupt-1"), "{mended:?}");
}

#[tokio::test]
async fn a_daemon_that_dies_in_the_middle_of_an_export() {
    let home = Home::new(NO_RADIO);
    an_hour(&home).await;
    let whole = home.run(&["export", "--format", "jsonl", "-"]).await;
    assert_eq!(whole.printed().lines().count(), 3_600);
    let socket = UnixListener::bind(home.socket()).unwrap();
    let dying = async {
        loop {
            let (mut stream, _) = socket.accept().await.unwrap();
            let mut request = [0; 4_096];
            if stream.read(&mut request).await.unwrap_or(0) == 0 {
                continue;
            }
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(b"20\r\n{\"watch\":\"07070707070707070707070").await.unwrap();
        }
    };
    let all = home.path("all.jsonl");
    let target = all.to_str().unwrap();
    let command = ["export", "--format", "jsonl", target];
    let told = tokio::select! {
        told = home.run(&command) => told,
        () = dying => unreachable!(),
    };
    let said = told.refused(69);
    assert!(said.contains("not whole") && said.contains("export again"), "{said}");
    assert!(!names_in(&home.path("")).iter().any(|name| name.contains("all.jsonl")), "no half file");
}

#[tokio::test]
async fn an_export_to_a_full_disk_names_it_and_leaves_nothing() {
    let home = Home::new(NO_RADIO);
    an_hour(&home).await;
    let small = home.path("small");
    let Some(_disk) = Disk::at(&small, 16) else { return };
    for format in ["csv", "jsonl", "nowatch"] {
        let target = small.join(format);
        let told = home.run(&["export", "--format", format, target.to_str().unwrap()]).await;
        assert!(told.refused(73).contains(target.to_str().unwrap()), "{told:?}");
        assert_eq!(names_in(&small), [""; 0], "{format}");
    }
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_is_read_all_the_same() {
    let home = Home::new(NO_RADIO);
    let state = home.state();
    let Some(disk) = Disk::at(&state, 64 * 1_024) else { return };
    an_hour(&home).await;
    home.run(&["why"]).await.printed();
    disk.lock();
    let csv = home.run(&["export", "--format", "csv", "-"]).await;
    assert_eq!(csv.printed().lines().count(), 3_601, "all of it is there, and nothing is to be said");
    for command in [&["why"][..], &["outbox", "list", "--gaps"], &["outbox", "check"]] {
        home.run(command).await.printed();
    }
    let copy = home.path("copy");
    home.run(&["outbox", "backup", copy.to_str().unwrap()]).await.printed();
    home.run(&["outbox", "retry", "--all-dead"]).await.refused(73);
}

#[tokio::test]
async fn and_says_what_it_does_not_see_there() {
    let home = Home::new(NO_RADIO);
    let state = home.state();
    let Some(disk) = Disk::at(&state, 64 * 1_024) else { return };
    let elsewhere = tempfile::TempDir::new().unwrap();
    let outbox = Outbox::open(elsewhere.path(), Clock::System).await.unwrap();
    let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
    outbox.append(log.key, session, vec![block(1, Stream::HEART_RATE)], vec![]).await.unwrap();
    // As a power cut leaves it.
    for name in ["outbox.db", "outbox.db-wal"] {
        fs::copy(elsewhere.path().join(name), state.join(name)).unwrap();
    }
    disk.lock();
    let told = home.run(&["outbox", "list", "--gaps"]).await;
    assert!(told.code == Some(0) && told.stderr.lines().count() == 1, "{told:?}");
    assert!(told.stderr.contains("is not seen here"), "{told:?}");
}
