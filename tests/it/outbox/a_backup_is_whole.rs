//! A backup is whole, and looked through, or it is not there.

use std::os::unix::fs::PermissionsExt;

use nowbridge::outbox::OutboxError;
use tempfile::TempDir;

use crate::support::outbox::{Opened, cloud, open};

#[tokio::test]
async fn while_blocks_come_in() {
    let it = Opened::new().await;
    it.append(1..=3_000).await.unwrap();
    let copy = TempDir::new().unwrap();
    let path = copy.path().join("outbox.db");
    let intake = async {
        for seq in 3_001..3_050 {
            it.append([seq]).await.unwrap();
        }
    };
    let (bytes, ()) = tokio::join!(it.outbox.backup(&path), intake);
    assert_eq!(bytes.unwrap(), std::fs::metadata(&path).unwrap().len());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(copy.path()).unwrap().count(), 1, "it is one file");

    let again = open(copy.path()).await.unwrap();
    assert_eq!(again.queue_id(), it.outbox.queue_id());
    let cursor = again.logs().await.unwrap()[0].cursor.0;
    assert!((3_000..=3_049).contains(&cursor), "{cursor}");
    let waiting = again.backlog(&cloud()).await.unwrap();
    assert_eq!(waiting[0].blocks, u64::from(cursor), "blocks and cursor are of one moment");
}

#[tokio::test]
async fn it_writes_over_nothing() {
    let it = Opened::new().await;
    let path = it.dir.path().join("precious");
    std::fs::write(&path, "precious").unwrap();
    let error = it.outbox.backup(&path).await.unwrap_err();
    assert!(matches!(&error, OutboxError::BackupExists { path: named } if *named == path), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn of_a_damaged_outbox_there_is_none() {
    let it = Opened::new().await;
    it.append(1..=3_000).await.unwrap();
    let dir = it.dir.path().to_owned();
    it.outbox.close().await.unwrap();
    let outbox = open(&dir).await.unwrap();
    let file = dir.join("outbox.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let half = bytes.len() / 2 / 2_048 * 2_048;
    bytes[half..half + 8 * 2_048].fill(0xA5);
    std::fs::write(&file, bytes).unwrap();
    let copy = TempDir::new().unwrap();
    let error = outbox.backup(&copy.path().join("copy")).await.unwrap_err();
    assert!(matches!(&error, OutboxError::BackupDamaged { .. }), "{error}");
    assert_eq!(std::fs::read_dir(copy.path()).unwrap().count(), 0, "and nothing of it is left");
}
