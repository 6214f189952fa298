//! Power cuts on a real ext4: the outbox lies on a disk image that is mounted. Its writer is stopped, the image is copied as it is,
//! and the copy is mounted, as after a power cut: the file system replays its own journal, and then the outbox is opened.
//!
//! Needs root and loop mounts; told as skipped without. One round of each in the normal run, eight with `NOWBRIDGE_SLOW=1`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::writer::{COMMITS_UNFOLDED, Flushing, endless};
use super::{Kept, look};
use crate::support::process::until;
use crate::support::stage::at_length;

/// The image of a disk, mounted. Unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` if that is not possible here.
    fn new(image: &Path, at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), at.as_ref()]).then_some(Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.0.as_os_str()]);
    }
}

/// Killed when dropped, so that its disk can be unmounted.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn no_power_cut_takes_what_was_answered_from_a_real_file_system() {
    for round in 0..rounds() {
        let Some((promised, kept)) = cut_once(Flushing::Full, round).await else { return };
        eprintln!("round {round}: {promised} promised, {} kept", kept.stored);
        assert!(
            kept.stored >= promised,
            "round {round}: {promised} blocks were promised, {} kept",
            kept.stored
        );
    }
}

#[tokio::test]
async fn a_log_that_is_not_flushed_at_each_commit_is_found_out_on_a_real_file_system() {
    let Some((promised, kept)) = cut_once(Flushing::Normal, 0).await else { return };
    eprintln!("{promised} promised, {} kept", kept.stored);
    assert!(kept.stored < promised, "the story has no teeth");
}

fn rounds() -> u64 {
    if at_length() { 8 } else { 1 }
}

/// What was promised, and what was kept.
async fn cut_once(flushing: Flushing, round: u64) -> Option<(u32, Kept)> {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (image, copy, written) = (path("disk"), path("copy"), path("promises"));
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let made = run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), image.as_os_str()]);
    let Some(disk) = Mounted::new(&image, path("before")).filter(|_| made) else {
        eprintln!(
            "SKIPPED: no ext4 can be mounted here (that takes root and a loop device); no power was cut"
        );
        return None;
    };
    // So that the empty file system is not what is lost.
    assert!(run("sync", &["-f".as_ref(), disk.0.as_os_str()]));
    let commits = match flushing {
        Flushing::Full => 40 + 60 * round as usize,
        Flushing::Normal => COMMITS_UNFOLDED as usize,
    };
    let writer = Writer(endless(flushing, &disk.0, &written));
    let so_far = || fs::read_to_string(&written).unwrap_or_default();
    until("the writer has written enough", async || (so_far().lines().count() >= commits).then_some(()))
        .await;
    assert!(run("kill", &["-STOP".as_ref(), writer.0.id().to_string().as_ref()]));
    let promised = stored(&so_far());
    fs::copy(&image, &copy).unwrap();
    drop(writer);

    let after = Mounted::new(&copy, path("after")).expect("a second disk can be mounted as the first was");
    let what = format!("{flushing:?}, round {round}");
    let kept = look(&after.0, &what).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    Some((promised, kept))
}

fn stored(promises: &str) -> u32 {
    let numbers = promises.lines().filter_map(|line| line.strip_prefix("stored ")?.parse().ok());
    numbers.max().unwrap_or(0)
}

fn run(program: &str, arguments: &[&std::ffi::OsStr]) -> bool {
    let quiet = || Stdio::null();
    let path = "/usr/sbin:/sbin:/usr/bin:/bin";
    let status =
        Command::new(program).args(arguments).env("PATH", path).stdout(quiet()).stderr(quiet()).status();
    status.is_ok_and(|status| status.success())
}
