//! Looking at every page: at a start that follows no orderly end, and whenever somebody asks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::{Outbox, OutboxError, Salvage, aside, database, salvage};

/// What is wrong with the database, if anything is.
pub(super) fn damage(connection: &Connection) -> Result<Option<String>, OutboxError> {
    let found: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    let last = found.lines().next_back().unwrap_or_default();
    Ok((found != "ok").then(|| last.to_owned()))
}

impl Outbox {
    /// Looks at every page of the database. Damage is an error; the next start then moves the database aside and fetches from it what can
    /// be read.
    pub async fn check(&self) -> Result<(), OutboxError> {
        let house = Arc::clone(&self.house);
        let looked = super::off_the_runtime(move || house.readers.run_afresh(|tx| damage(tx)));
        let found = match looked.await {
            Ok(None) => return Ok(()),
            Ok(Some(detail)) | Err(OutboxError::Corrupt { detail, .. }) => detail,
            Err(error) => return Err(error),
        };
        let dir = self.dir();
        aside::mark(dir).map_err(|source| OutboxError::CannotUse { dir: dir.to_owned(), source })?;
        tracing::error!(
            damage = found,
            "The outbox is damaged; restart nowbridge to have it moved aside and salvaged."
        );
        Err(OutboxError::Corrupt { path: dir.join(database::FILE_NAME), detail: found })
    }

    /// Checks a large database that was not closed in order, once.
    pub(super) async fn check_if_due(&self) -> Result<(), OutboxError> {
        if !self.house.to_be_checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let checked = self.check().await;
        if checked.as_ref().is_ok() || checked.as_ref().is_err_and(|error| !error.is_transient()) {
            self.house.to_be_checked.store(false, Ordering::Relaxed);
        }
        checked
    }

    /// Fetches all that can be read from a database that was moved aside. `None` if there is none.
    pub async fn salvage(&self) -> Result<Option<Salvage>, OutboxError> {
        loop {
            let (now, door) = (self.house.clock.now(), self.house.door());
            let step = self.write(move |tx| match salvage::known(tx)? {
                Some(known) if !known.done => {
                    door.admit(tx)?;
                    salvage::step(tx, &door.dir, now)
                }
                known => Ok(known),
            });
            match step.await? {
                Some(salvage) if !salvage.done => {}
                known => return Ok(known),
            }
        }
    }

    /// The same, and tells of it.
    pub(super) async fn salvage_if_due(&self) -> Result<(), OutboxError> {
        if !self.read(|tx| Ok(salvage::known(tx)?.is_some_and(|known| !known.done))).await? {
            return Ok(());
        }
        if let Some(Salvage { file, blocks, lost, .. }) = self.salvage().await? {
            tracing::warn!(file, blocks, lost, "What could be read of the damaged outbox is in the new one.");
        }
        Ok(())
    }
}
