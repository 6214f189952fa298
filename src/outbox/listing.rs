//! The ledger as `nowbridge outbox` shows it: a sort of entries, or one entry.

use serde::{Deserialize, Serialize};

use super::{BatchRow, DeadRow, EntryId, GapRow, Outbox, OutboxError, QuarantineRow, ReceiptRow, Which};

/// A sort of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// What was refused.
    Dead,
    /// What is missing.
    Gaps,
    /// What was or is to be sent.
    Batches,
    /// What was confirmed.
    Receipts,
    /// What has no time that can be believed.
    Quarantine,
}

impl Section {
    /// The name, as in the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Gaps => "gaps",
            Self::Batches => "batches",
            Self::Receipts => "receipts",
            Self::Quarantine => "quarantine",
        }
    }
}

/// Entries of one sort, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entries {
    /// What was refused. Without the blocks themselves.
    Dead(Vec<DeadRow>),
    /// What is missing.
    Gaps(Vec<GapRow>),
    /// What was or is to be sent.
    Batches(Vec<BatchRow>),
    /// What was confirmed.
    Receipts(Vec<ReceiptRow>),
    /// What has no time that can be believed.
    Quarantine(Vec<QuarantineRow>),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// What was refused.
    Dead(DeadRow),
    /// What is missing.
    Gap(GapRow),
    /// What was or is to be sent, and what was said to that.
    Batch {
        /// The batch.
        batch: BatchRow,
        /// The receipt, if it was confirmed.
        receipt: Option<ReceiptRow>,
    },
    /// What has no time that can be believed.
    Quarantine(QuarantineRow),
}

impl Outbox {
    /// The newest entries of a sort.
    pub async fn entries(&self, section: Section, limit: u32) -> Result<Entries, OutboxError> {
        let which = Which::newest(limit);
        Ok(match section {
            Section::Dead => {
                let mut dead = self.dead_letters_of(which).await?;
                for letter in &mut dead {
                    letter.body.clear();
                }
                Entries::Dead(dead)
            }
            Section::Gaps => Entries::Gaps(self.gaps_of(which).await?),
            Section::Batches => Entries::Batches(self.batches_of(which).await?),
            Section::Receipts => Entries::Receipts(self.receipts_of(which).await?),
            Section::Quarantine => Entries::Quarantine(self.quarantine_of(which).await?),
        })
    }

    /// One entry, if there is such a one.
    pub async fn entry(&self, id: EntryId) -> Result<Option<Entry>, OutboxError> {
        let which = Which::only(id.number());
        Ok(match id {
            EntryId::Dead(_) => self.dead_letters_of(which).await?.pop().map(Entry::Dead),
            EntryId::Gap(_) => self.gaps_of(which).await?.pop().map(Entry::Gap),
            EntryId::Quarantine(_) => self.quarantine_of(which).await?.pop().map(Entry::Quarantine),
            EntryId::Batch(_) => {
                let receipt = self.receipts_of(which).await?.pop();
                self.batches_of(which).await?.pop().map(|batch| Entry::Batch { batch, receipt })
            }
        })
    }

    /// Has SQLite look at every page. Empty: all is well.
    pub async fn quick_check(&self) -> Result<Vec<String>, OutboxError> {
        self.read(|tx| {
            let mut check = tx.prepare("PRAGMA quick_check(20)")?;
            let found: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(found.into_iter().filter(|line| line != "ok").collect())
        })
        .await
    }
}
