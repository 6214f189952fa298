//! A file that is read once more: a backup, or a database that was moved aside.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::pages::Pages;
use super::{carve, ledger};
use crate::measurement::UtcMicros;
use crate::outbox::{Log, LogKey, OutboxError};
use crate::wire::bridge::{DeviceId, LogId, RawBlock};

/// An outbox's file, and which of our logs its logs are.
pub(in crate::outbox) struct Source {
    pages: Pages,
    logs: BTreeMap<LogKey, LogKey>,
}

impl Source {
    /// Opens it. `is_own`: it is the database that `logs` came from, whose numbers were kept.
    pub(in crate::outbox) fn open(path: &Path, logs: &[Log], is_own: bool) -> Result<Self, OutboxError> {
        let unreadable = |source| OutboxError::File { path: path.to_owned(), doing: "read", source };
        std::fs::File::open(path).map_err(unreadable)?;
        let pages = Pages::open(path, ledger::page_size(path));
        let pages = pages.ok_or_else(|| OutboxError::NothingToSalvage { path: path.to_owned() })?;
        let mut known: BTreeMap<_, _> =
            if is_own { logs.iter().map(|log| (log.key, log.key)).collect() } else { BTreeMap::new() };
        let ours = |name: (DeviceId, LogId, u32)| {
            logs.iter().find(|log| !log.adrift && (log.device, log.log_id, log.era) == name)
        };
        for (key, name) in ledger::logs_in(path) {
            if let Some(log) = ours(name) {
                known.entry(key).or_insert(log.key);
            }
        }
        Ok(Self { pages, logs: known })
    }

    pub(in crate::outbox) const fn pages(&self) -> u32 {
        self.pages.count()
    }

    /// The blocks of some pages, with which of our logs they are of, if of any.
    pub(in crate::outbox) fn blocks(
        &self,
        pages: Range<u32>,
    ) -> impl Iterator<Item = (Option<LogKey>, UtcMicros, RawBlock)> {
        let found = pages.flat_map(|page| carve::blocks(&self.pages, page));
        found.map(|found| (self.logs.get(&found.log).copied(), found.received, found.block))
    }
}
