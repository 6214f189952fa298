use nowbridge::outbox::OutboxError;
use tempfile::TempDir;

use crate::support::outbox::{WATCH, open};

#[tokio::test]
async fn a_second_one_is_told_who_came_first() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path()).await.unwrap();
    let error = open(dir.path()).await.unwrap_err();
    assert!(
        matches!(error, OutboxError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    first.close().await.unwrap();
    open(dir.path()).await.unwrap();
}

#[tokio::test]
async fn dropping_the_last_handle_frees_the_directory() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path()).await.unwrap();
    let clone = first.clone();
    drop(first);
    open(dir.path()).await.unwrap_err();
    drop(clone);
    open(dir.path()).await.unwrap();
}

#[tokio::test]
async fn a_closed_outbox_refuses_its_other_handles() {
    let dir = TempDir::new().unwrap();
    let outbox = open(dir.path()).await.unwrap();
    let clone = outbox.clone();
    outbox.close().await.unwrap();
    assert!(matches!(clone.logs().await, Err(OutboxError::Closed)));
    assert!(matches!(clone.begin_session(WATCH, None).await, Err(OutboxError::Closed)));
}
