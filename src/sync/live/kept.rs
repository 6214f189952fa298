//! What was heard and could not be committed yet, beyond the end of the session that heard it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::store::Store;
use crate::clock::Clock;
use crate::outbox::{HostLog, LogKey, Outbox, SessionKey};

/// An outbox that takes nothing is tried again after this.
pub const RETRY: Duration = Duration::from_secs(10);

/// The samples that wait for the disk, by log. Memory is bounded: when too many blocks wait, the oldest
/// become a gap. Dropping this loses them.
pub struct Kept {
    pub(super) outbox: Outbox,
    pub(super) clock: Clock,
    stores: BTreeMap<LogKey, Store>,
}

impl Kept {
    /// Nothing waits yet.
    pub const fn new(outbox: Outbox, clock: Clock) -> Self {
        Self { outbox, clock, stores: BTreeMap::new() }
    }

    /// What waits for this log, in front of whatever comes now.
    pub(super) fn store(&mut self, host: HostLog, session: SessionKey) -> &mut Store {
        let (outbox, clock) = (&self.outbox, self.clock);
        // A log whose shelf is empty goes on where the outbox says.
        self.stores.retain(|_, store| !store.shelf.is_empty());
        let store = self.stores.entry(host.log.key);
        let store = store.or_insert_with(|| Store::new(outbox.clone(), clock, host, session));
        store.continue_in(session);
        store
    }

    /// Samples that wait.
    pub fn samples(&self) -> u64 {
        self.stores.values().map(|store| store.shelf.samples()).sum()
    }

    /// Commits what waits as soon as the outbox takes it, and says so. Cancel-safe: what is under way then may be committed, and stays
    /// here until that is known.
    pub async fn keep_saving(&mut self, saved: &Notify) -> Infallible {
        loop {
            if self.stores.is_empty() {
                std::future::pending::<()>().await;
            }
            let before = self.samples();
            for store in self.stores.values_mut() {
                // Whoever refuses has been named in the log; the others may have room.
                let _ = store.save().await;
            }
            if self.samples() < before {
                saved.notify_one();
            }
            self.stores.retain(|_, store| !store.shelf.is_empty());
            if !self.stores.is_empty() {
                sleep(RETRY).await;
            }
        }
    }

    /// Commits what waits before the process ends, if the outbox takes it in time. What is left is lost; tells how many samples those
    /// are, and says so in the log.
    pub async fn close(mut self, within: Duration) -> u64 {
        let save = async {
            for store in self.stores.values_mut() {
                let _ = store.save().await;
            }
        };
        // Late or not, what counts is what is left.
        let _ = timeout(within, save).await;
        let lost = self.samples();
        if lost > 0 {
            tracing::error!(lost, "Measurements could not be stored before the end, and are lost.");
        }
        lost
    }
}
