//! Housekeeping: frees what everyone has, evicts when there is no other way, takes ballast on board, gives pages back to the disk.

use std::convert::Infallible;
use std::time::Duration;

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::limits::{Limits, RESERVE_BYTES};
use super::room::Measured;
use super::{Outbox, OutboxError, Room, RoomLimit, evict, free};

/// How soon somebody looks after an outbox in which something has changed. When it gets full, sooner.
const EVERY: Duration = Duration::from_mins(1);
/// How often one is looked after in which nothing has: what everyone has grows old, and others fill the disk.
const AT_REST: Duration = Duration::from_mins(10);
/// Whoever is full looks again after this: not each second, since each look reads the cursors of all logs.
const WHEN_FULL: Duration = Duration::from_secs(5);

/// An eviction makes a little more room than is needed at once, and not so much that history would be pulled again.
const SLACK_BYTES: u64 = 256 * 1_024;

/// What a tidying did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tidied {
    /// Blocks that everyone had.
    pub freed: u64,
    /// Blocks taken out for want of room; each that somebody waited for is in a gap.
    pub evicted: u64,
    /// Bytes given back to the disk.
    pub vacuumed: u64,
}

impl Outbox {
    /// Tidies up once. Between its small transactions others take their turn.
    pub async fn tidy(&self) -> Result<Tidied, OutboxError> {
        let mut tidied = Tidied::default();
        if self.house.clock.is_set() {
            tidied.freed += self.free(Pace::Age).await?;
            while self.prune().await? > 0 {}
        }
        if !self.room().borrow().is_ample() {
            tidied.freed += self.free(Pace::Pressure).await?;
        }
        if *self.room().borrow() == (Room::Full { limit: RoomLimit::Cap }) {
            tidied.evicted = self.evict().await?;
        }
        if tidied.evicted > 0 {
            tracing::warn!(
                blocks = tidied.evicted,
                "The outbox is full; its oldest blocks made way for new ones."
            );
        }
        self.restore_ballast().await?;
        tidied.vacuumed = self.vacuum_step().await?;
        self.salvage_if_due().await?;
        self.check_if_due().await?;
        Ok(tidied)
    }

    /// Tidies up for as long as it is polled. What fails is tried again the next time.
    pub async fn keep_tidy(&self) -> Infallible {
        let mut room = self.room();
        loop {
            let is_done = match self.tidy().await {
                Ok(tidied) => tidied == Tidied::default(),
                Err(OutboxError::Closed) => std::future::pending().await,
                Err(error) => {
                    tracing::debug!(%error, "The outbox could not be tidied.");
                    false
                }
            };
            let room_now = *room.borrow_and_update();
            let pause = async {
                if is_done && room_now.is_ample() {
                    // What was written while it was tidied is heard of, too.
                    let _ = timeout(AT_REST, self.house.stirred.notified()).await;
                }
                sleep(if matches!(room_now, Room::Full { .. }) { WHEN_FULL } else { EVERY }).await;
            };
            tokio::select! {
                () = pause => {}
                Ok(()) = room.changed() => {}
            }
        }
    }

    async fn free(&self, pace: Pace) -> Result<u64, OutboxError> {
        let mut freed = 0;
        for log in self.logs().await? {
            loop {
                let (now_s, limits) = (self.house.clock.now().seconds().0, self.house.limits);
                let blocks =
                    self.write(move |tx| free::round(tx, &log, pace.limit(tx, now_s, &limits)?)).await?;
                freed += blocks;
                if blocks == 0 {
                    break;
                }
            }
        }
        Ok(freed)
    }

    /// Evicts until there is room again, a round at a time.
    async fn evict(&self) -> Result<u64, OutboxError> {
        let mut evicted = 0;
        loop {
            let (now, door) = (self.house.clock.now(), self.house.door());
            let round = self.write(move |tx| {
                let available = Measured::take(tx, &door.dir)?.available_bytes(&door.limits);
                if available < RESERVE_BYTES + SLACK_BYTES { evict::round(tx, now) } else { Ok(0) }
            });
            match round.await? {
                0 => return Ok(evicted),
                blocks => evicted += blocks,
            }
        }
    }
}

/// How eagerly blocks are freed.
#[derive(Clone, Copy)]
enum Pace {
    /// Those that are old enough.
    Age,
    /// All.
    Pressure,
}

impl Pace {
    /// The second by which a block must have been stored. An age counts to the newest block at most: a clock that leaps ahead makes
    /// nothing old before something was stored by it.
    fn limit(self, tx: &Transaction<'_>, now_s: i64, limits: &Limits) -> Result<i64, OutboxError> {
        let Self::Age = self else { return Ok(i64::MAX) };
        let newest: Option<i64> = tx.query_row(sql!("block_ages"), [], |row| row.get("newest_s"))?;
        let kept = i64::try_from(limits.keep_sent.as_secs()).unwrap_or(i64::MAX);
        Ok(now_s.min(newest.unwrap_or(i64::MIN)).saturating_sub(kept))
    }
}
