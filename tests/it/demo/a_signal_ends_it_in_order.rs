//! Whoever has seen enough leaves nothing behind: no folder with a password in it, no daemon that nobody asked for.

use crate::support::process::{Home, until};

/// A day over a slow air takes minutes to fetch, and little to be made up: two weeks took a busy machine longer than anybody waits here.
const A_LONG_DEMO: [&str; 7] = ["demo", "--hours", "24", "--speed", "0.1", "--seed", "1"];

async fn stopped(arguments: &[&str]) {
    let mut home = Home::new("");
    let folder = home.path("tmp");
    std::fs::create_dir(&folder).unwrap();
    home.set("TMPDIR", folder.display().to_string());
    let mut demo = home.start(arguments);
    let left = || std::fs::read_dir(&folder).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let control = until("its daemon has opened an outbox", async || {
        let demo = left().next()?;
        demo.join("state/outbox.db").exists().then(|| demo.join("control.sock"))
    })
    .await;
    demo.terminate().await;
    assert_eq!(demo.ended().await.code(), Some(130), "{}", demo.stderr());
    assert_eq!(left().count(), 0, "{}", demo.stderr());
    assert!(!control.exists());
}

#[tokio::test]
async fn in_one_process() {
    stopped(&A_LONG_DEMO).await;
}

#[tokio::test]
async fn with_a_daemon_in_a_process_of_its_own() {
    stopped(&[&A_LONG_DEMO[..], &["--faults"]].concat()).await;
}
