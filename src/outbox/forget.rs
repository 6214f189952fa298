//! Forgetting a watch: everything that was measured, and everything that was noted about it, overwritten on the disk.
//!
//! Rows are deleted in small transactions, and again from where it was if it is broken off; then the database is written anew, for which
//! everybody waits a few seconds. What stays unless
//! that is to go, too, is one row a log: how far it was read, so that the watch's old blocks do not all come back.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, TransactionBehavior, params, params_from_iter};
use serde::{Deserialize, Serialize};

use super::{Log, Outbox, OutboxError, Salvage, SinkName, Tally, aside, off_the_runtime};
use crate::wire::bridge::DeviceId;

/// Rows that are deleted in one transaction: blocks make it some hundred kilobytes.
const AT_ONCE: u32 = 1_000;

/// How to forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgetOptions {
    /// Also what nobody was sent yet.
    pub even_unsent: bool,
    /// Also how far the watch was read, so that what it still has comes again.
    pub and_refetch: bool,
}

/// What was forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Blocks.
    pub blocks: u64,
    /// Batches and their receipts.
    pub batches: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Gaps.
    pub gaps: u64,
    /// Sessions.
    pub sessions: u64,
    /// Everything else: anchors, cursors, errands, what was in quarantine, spells.
    pub others: u64,
    /// Whether its traces in the files are overwritten, too. If not, the disk is full or somebody was reading; doing it again mends that.
    pub overwritten: bool,
}

/// Whether a watch was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgetting {
    /// It was.
    Done(Forgotten),
    /// So many samples were never sent to that sink, and would be lost.
    Unsent {
        /// How many.
        samples: u64,
        /// To whom.
        sink: SinkName,
    },
}

/// A statement that deletes some rows, and where they are counted.
struct Step {
    delete: &'static str,
    count: fn(&mut Forgotten) -> &mut u64,
}

/// In an order in which nothing is left that refers to what is gone.
const OF_A_LOG: [Step; 10] = [
    Step { delete: sql!("forget_receipt"), count: |told| &mut told.others },
    Step { delete: sql!("forget_batch"), count: |told| &mut told.batches },
    Step { delete: sql!("forget_errand"), count: |told| &mut told.others },
    Step { delete: sql!("forget_dead"), count: |told| &mut told.dead_letters },
    Step { delete: sql!("forget_quarantine"), count: |told| &mut told.others },
    Step { delete: sql!("forget_gap"), count: |told| &mut told.gaps },
    Step { delete: sql!("forget_anchor"), count: |told| &mut told.others },
    Step { delete: sql!("forget_cursor"), count: |told| &mut told.others },
    Step { delete: sql!("forget_sent_day"), count: |told| &mut told.others },
    Step { delete: sql!("forget_removed"), count: |told| &mut told.others },
];

/// Updates, an open one among them, what the watch has not kept, and how far its firmware was trusted.
const OF_ITS_FIRMWARE: [&str; 4] =
    [sql!("forget_update_step"), sql!("forget_update"), sql!("forget_refused"), sql!("forget_trust")];

impl Outbox {
    /// Forgets a watch, unless something of it was never sent to one of `sinks` (or to anybody who was ever sent to).
    pub async fn forget(
        &self,
        device: DeviceId,
        mut sinks: Vec<SinkName>,
        options: ForgetOptions,
    ) -> Result<Forgetting, OutboxError> {
        if let Some(Salvage { file, .. }) = self.salvage_so_far().await?.filter(|salvage| !salvage.done) {
            // What is still to be fetched would bring it back.
            return Err(OutboxError::Salvaging { dir: self.dir().to_owned(), file });
        }
        sinks.extend(self.sink_names().await?);
        let logs: Vec<Log> = self.logs().await?.into_iter().filter(|log| log.device == device).collect();
        for sink in sinks.into_iter().filter(|_| !options.even_unsent) {
            let backlog = self.backlog(&sink).await?;
            let waiting: u64 = backlog.iter().filter(|of| of.device == device).map(|of| of.samples).sum();
            // What is kept back was never sent either.
            let tallies = self.tallies(&sink).await?;
            let is_its = |of: &&Tally| logs.iter().any(|log| log.key == of.log);
            let samples = waiting + tallies.iter().filter(is_its).map(|of| of.held).sum::<u64>();
            if samples > 0 {
                return Ok(Forgetting::Unsent { samples, sink });
            }
        }
        let begun = self.house.clock.now();
        let peers = self.peers().await?.into_iter().filter(|peer| peer.device == Some(device));
        let mut told = Forgotten::default();
        for log in &logs {
            // Before the cursors: blocks without one would be sent again.
            let up_to_here = vec![log.key.0.into(), i64::from(log.cursor.0).into()];
            told.blocks += self.erase(sql!("forget_block"), up_to_here).await?;
            for Step { delete, count } in &OF_A_LOG {
                *count(&mut told) += self.erase(delete, vec![log.key.0.into()]).await?;
            }
            // It stands twice then: should the row be lost, its index says so still.
            let (key, cursor) = (log.key, log.cursor);
            self.write(move |tx| Ok(tx.execute(sql!("log_removed"), params![key, cursor])?)).await?;
        }
        let of_it = vec![device.0.to_vec().into(), begun.0.into()];
        told.sessions = self.erase(sql!("forget_session"), of_it).await?;
        for delete in OF_ITS_FIRMWARE {
            told.others += self.erase(delete, vec![device.0.to_vec().into()]).await?;
        }
        for peer in peers {
            let subject = format!("watch {}", peer.address);
            told.others += self.erase(sql!("forget_spell"), vec![subject.into()]).await?;
            self.unbind_peer(&peer.address).await?;
        }
        if options.and_refetch {
            for Log { key, .. } in logs {
                self.write(move |tx| Ok(tx.execute(sql!("forget_log"), [key])?)).await?;
            }
        }
        told.overwritten = self.overwrite().await?;
        let dir = self.house.dir.clone();
        off_the_runtime(move || {
            aside::erase_done(&dir).map_err(|source| OutboxError::CannotUse { dir, source })
        })
        .await?;
        Ok(Forgetting::Done(told))
    }

    /// Deletes what a statement finds, some at a time: its last parameter says how many.
    async fn erase(&self, delete: &'static str, of: Vec<Value>) -> Result<u64, OutboxError> {
        let mut all = 0;
        loop {
            let mut of = of.clone();
            of.push(AT_ONCE.into());
            let some = self.lend(move |connection| {
                erasing(connection, |tx| Ok(tx.prepare_cached(delete)?.execute(params_from_iter(of))?))
            });
            match some.await? as u64 {
                0 => return Ok(all),
                some => all += some,
            }
        }
    }

    /// Writes the database anew, folds the write-ahead log in and cuts it to nothing: what was moved about while the tables grew still
    /// stands between their rows, where no deletion reaches it.
    async fn overwrite(&self) -> Result<bool, OutboxError> {
        let written = self.lend(|connection| {
            // The copy may be larger than the memory.
            connection.pragma_update(None, "temp_store", "FILE")?;
            let written = connection.execute_batch("VACUUM");
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            written?;
            let busy =
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            Ok(busy? == 0)
        });
        match written.await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "What was forgotten is not overwritten yet.");
                Ok(false)
            }
            written => written,
        }
    }
}

/// A transaction whose deletions overwrite what they free. SQLite need not look for what refers to a row: of some tables it would have
/// to read all for each row, and the order of the steps sees to it that nothing does.
fn erasing<T>(
    connection: &mut Connection,
    job: impl FnOnce(&Transaction<'_>) -> Result<T, OutboxError>,
) -> Result<T, OutboxError> {
    let set = |connection: &Connection, is_erasing: bool| {
        connection.pragma_update(None, "secure_delete", is_erasing)?;
        connection.pragma_update(None, "foreign_keys", !is_erasing)
    };
    set(connection, true)?;
    let done = transact(connection, job);
    set(connection, false)?;
    done
}

fn transact<T>(
    connection: &mut Connection,
    job: impl FnOnce(&Transaction<'_>) -> Result<T, OutboxError>,
) -> Result<T, OutboxError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = job(&transaction)?;
    transaction.commit()?;
    Ok(value)
}
