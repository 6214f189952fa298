use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nowbridge::outbox::OutboxError;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::outbox::{Opened, open};

async fn refusal_that_leaves_it_alone(dir: &Path) -> OutboxError {
    let file = dir.join("outbox.db");
    let before = fs::read(&file).unwrap();
    let error = open(dir).await.unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(fs::read(&file).unwrap(), before, "the file was changed");
    error
}

async fn closed_outbox() -> TempDir {
    let Opened { dir, outbox, .. } = Opened::new().await;
    outbox.close().await.unwrap();
    dir
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = closed_outbox().await;
    Connection::open(dir.path().join("outbox.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refusal_that_leaves_it_alone(dir.path()).await;
    assert!(matches!(error, OutboxError::NewerSchema { found: 99, known, .. } if known < 99), "{error}");
    assert!(error.to_string().contains("update nowbridge"), "{error}");
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    let dir = TempDir::new().unwrap();
    Connection::open(dir.path().join("outbox.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let error = refusal_that_leaves_it_alone(dir.path()).await;
    assert!(matches!(error, OutboxError::NotADatabase { .. }), "{error}");
}

#[tokio::test]
async fn a_text_file_is_refused() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("outbox.db"), "to do: buy milk").unwrap();
    let error = refusal_that_leaves_it_alone(dir.path()).await;
    assert!(matches!(error, OutboxError::NotADatabase { .. }), "{error}");
}

#[tokio::test]
async fn a_half_made_database_is_made_again() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("outbox.new"), "half a header").unwrap();
    open(dir.path()).await.unwrap();
    assert!(!dir.path().join("outbox.new").exists());
}

#[tokio::test]
async fn a_directory_that_cannot_be_is_named() {
    let dir = TempDir::new().unwrap();
    let in_the_way = dir.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let error = open(&in_the_way.join("outbox")).await.unwrap_err();
    assert!(matches!(error, OutboxError::CannotUse { .. }), "{error}");
    assert!(error.to_string().contains("file/outbox"), "{error}");
}

#[tokio::test]
async fn what_it_makes_is_for_its_owner_only() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("new/outbox");
    let _outbox = open(&inner).await.unwrap();
    let mode = |name: &str| fs::metadata(inner.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("."), 0o700);
    assert_eq!([mode("outbox.db"), mode("outbox.db-wal"), mode("outbox.lock")], [0o600; 3]);
}
