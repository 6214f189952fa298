//! Whatever is wrong, the exit code says who has to act and one line says how.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::process::{Ended, Home};

/// The daemon's last words with this config.
async fn refused(config: &str, code: i32, words: &[&str]) {
    said(&Home::new(config).run(&["run"]).await, code, words);
}

#[track_caller]
fn said(ended: &Ended, code: i32, words: &[&str]) {
    let line = ended.refused(code);
    for word in words {
        assert!(line.contains(word), "no {word:?} in: {line}");
    }
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn a_key_that_is_not_known() {
    refused(
        "[cloud]\nbase_ulr = \"x\"\n",
        78,
        &["config.toml:2:1", "base_ulr", "did you mean \"base_url\"?"],
    )
    .await;
}

#[tokio::test]
async fn a_radio_by_another_name() {
    refused(
        "[radio]\nkind = \"bluetooth\"\n",
        78,
        &["config.toml:2:8", "radio.kind", "did you mean \"bluez\""],
    )
    .await;
}

#[tokio::test]
async fn a_cloud_that_would_hear_everything_in_the_clear() {
    refused("[cloud]\nbase_url = \"http://api.example.org\"\n", 78, &["cloud.base_url", "https://"]).await;
}

#[tokio::test]
async fn a_password_that_everybody_can_read() {
    let home = Home::new(
        "[cloud]\nbase_url = \"http://127.0.0.1:1\"\nemail = \"me@example.org\"\npassword_file = \"password\"\n",
    );
    let path = home.secret("password", "Canary-password-1");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let ended = home.run(&["run"]).await;
    said(&ended, 78, &["cloud.password_file", "chmod 600"]);
    assert!(!ended.stderr.contains("Canary"));
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_made() {
    let home = Home::new("[state]\ndir = \"config.toml/state\"\n");
    said(&home.run(&["run"]).await, 73, &["config.toml/state", "[state] dir"]);
}

#[tokio::test]
async fn a_database_from_the_future() {
    let home = Home::new("");
    home.daemon().await.stop().await;
    let path = home.state().join("outbox.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    database.close().unwrap();
    let before = fs::read(&path).unwrap();
    said(&home.run(&["run"]).await, 78, &["outbox.db", "schema 99", "update nowbridge"]);
    assert!(fs::read(&path).unwrap() == before, "the file was changed");
    assert!(!home.socket().exists());
}

#[tokio::test]
async fn a_database_that_is_something_else() {
    let home = Home::new("");
    fs::create_dir_all(home.state()).unwrap();
    let path = home.state().join("outbox.db");
    fs::write(&path, "Dear diary").unwrap();
    said(&home.run(&["run"]).await, 65, &["outbox.db", "not a nowbridge outbox"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "Dear diary");
}

#[tokio::test]
async fn arguments_that_mean_nothing() {
    let home = Home::new("");
    for (arguments, named) in [(&["run", "--fast"][..], "--fast"), (&["jump"], "jump"), (&[], "Usage")] {
        let ended = home.run(arguments).await;
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.stderr.contains(named), "{ended:?}");
    }
    assert_eq!(home.run(&["--help"]).await.code, Some(0));
}

#[tokio::test]
async fn a_config_file_that_is_not_there() {
    let home = Home::new("");
    said(&home.run(&["run", "--config", "nowhere.toml"]).await, 78, &["nowhere.toml"]);
}

#[tokio::test]
async fn a_daemon_that_does_not_run() {
    let home = Home::new("");
    let address = "E7:12:0A:00:00:01";
    for command in [
        &["status"][..],
        &["sync"],
        &["pair", address, "--yes"],
        &["repair", address, "--yes"],
        &["unpair", address],
        &["hold", address],
        &["release", address],
    ] {
        let socket = home.socket();
        said(&home.run(command).await, 69, &["no daemon answers", socket.to_str().unwrap(), "nowbridge run"]);
    }
}

#[tokio::test]
async fn a_login_that_lacks_something() {
    let home = Home::new("");
    let file = home.secret("given", "Some-password-1");
    let login = ["login", "--password-file", file.to_str().unwrap()];
    said(&home.run(&login).await, 78, &["cloud.base_url"]);
    home.configure("[cloud]\nbase_url = \"http://127.0.0.1:1\"\n");
    said(&home.run(&login).await, 64, &["--email"]);
    said(&home.run(&["login", "--email", "me@example.org"]).await, 64, &["--password-file"]);
}
