//! Giving pages back to the disk. A page that is free is written again for nothing, so this is only for a database that was far larger
//! than it needs to be, and only a bit at a time.

use super::room::Measured;
use super::{Outbox, OutboxError};

/// Less than this is not worth the wear.
const WORTH_BYTES: u64 = 16 * 1_024 * 1_024;
/// So many at a time: what one transaction moves must fit into the write-ahead log.
const STEP_BYTES: u64 = 512 * 1_024;
/// So often each time that somebody tidies up: no more than eight megabytes a minute.
const STEPS: u64 = 16;

impl Outbox {
    /// Gives some pages back if most of the database is empty. Returns how many bytes.
    pub(super) async fn vacuum_step(&self) -> Result<u64, OutboxError> {
        let mut given = 0;
        for _ in 0..STEPS {
            let dir = self.house.dir.clone();
            let step = self.write(move |tx| {
                let measured = Measured::take(tx, &dir)?;
                if !measured.is_mostly_spare() || measured.spare_bytes() <= WORTH_BYTES {
                    return Ok(0);
                }
                let pages = STEP_BYTES / measured.page();
                let mut vacuum = tx.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
                let mut rows = vacuum.query([])?;
                while rows.next()?.is_some() {}
                Ok(STEP_BYTES)
            });
            match step.await? {
                0 => break,
                bytes => given += bytes,
            }
        }
        Ok(given)
    }

    pub(super) async fn restore_ballast(&self) -> Result<(), OutboxError> {
        let house = std::sync::Arc::clone(&self.house);
        super::off_the_runtime(move || house.writer.restore()).await
    }
}
