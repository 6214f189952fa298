//! The private cloud's own SQLite file: one connection that writes, one that reads.
//!
//! Work runs on tokio's blocking threads, one piece per connection at a time. A commit is on the disk before it is
//! answered (`synchronous=FULL`). Deleted measurements are overwritten, not just forgotten (`secure_delete`).

mod firmware;
mod measurements;
mod schema;
mod sessions;
mod users;

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::PrivateCloudError;

pub(super) use firmware::{
    FirmwareRow, NewFirmware, Piece, add_firmware, list_firmware, piece, remove_firmware, seal,
};
pub(super) use measurements::{DayRow, Stored, Upload, days, delete, render_day, store_upload};
pub(super) use sessions::{Caller, Grant, Rotation, caller, log_in, refresh};
pub(super) use users::{
    Right, Settings, UserId, add, consent, credentials, grant, put_settings, settings, user,
};

const FILE: &str = "cloud.db";

/// The database. Clones share its connections.
#[derive(Clone)]
pub(super) struct Store {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
}

impl Store {
    /// Opens the database in `directory`, creating both where they are missing; nobody but the owner may read them.
    pub fn open(directory: &Path) -> Result<Self, PrivateCloudError> {
        let unmade = |path: &Path| {
            let path = path.to_owned();
            move |source| PrivateCloudError::DataDir { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unmade(directory))?;
        let path = directory.join(FILE);
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).open(&path).map_err(unmade(&path))?;

        let unopened = |source| PrivateCloudError::Open { path: path.clone(), source };
        let mut writer = Connection::open(&path).map_err(unopened)?;
        schema::prepare(&mut writer, &path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&path, flags).map_err(unopened)?;
        reader.busy_timeout(schema::BUSY).map_err(unopened)?;
        Ok(Self { writer: Arc::new(Mutex::new(writer)), reader: Arc::new(Mutex::new(reader)) })
    }

    /// Runs `work` in a transaction, which is committed if it succeeds.
    pub async fn write<T, F>(&self, work: F) -> Result<T, PrivateCloudError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, PrivateCloudError> + Send + 'static,
    {
        let mut connection: OwnedMutexGuard<_> = Arc::clone(&self.writer).lock_owned().await;
        off_thread(move || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
        .await
    }

    /// Runs `work` on one unchanging state of the database.
    pub async fn read<T, F>(&self, work: F) -> Result<T, PrivateCloudError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, PrivateCloudError> + Send + 'static,
    {
        let mut connection: OwnedMutexGuard<_> = Arc::clone(&self.reader).lock_owned().await;
        off_thread(move || work(&connection.transaction()?)).await
    }
}

/// Runs slow work on a thread that may block. Unlike a thread of our own, tokio knows of it: a paused clock stands still
/// meanwhile.
pub(super) async fn off_thread<T, F>(work: F) -> Result<T, PrivateCloudError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, PrivateCloudError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await?
}
