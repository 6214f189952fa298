//! How much room the outbox may take: pages of its own, and bytes that it leaves to others; and how often the disk is written to.

use std::time::Duration;

use super::Outbox;
pub use crate::config::OutboxConfig as Limits;

/// So much is kept for receipts: whoever is full must still be able to note what has left.
pub(super) const RESERVE_BYTES: u64 = 1_024 * 1_024;

/// The write-ahead log is this long from the start, and not longer for long.
pub(super) const WAL_BYTES: u64 = 2 * 1_024 * 1_024;

/// What one transaction may add to the write-ahead log at most, by a wide margin.
const TRANSACTION_BYTES: u64 = 1_024 * 1_024;

/// A disk that is full to the last byte needs this much to fold a whole write-ahead log into the database, and one more transaction.
pub(super) const BALLAST_BYTES: u64 = WAL_BYTES + TRANSACTION_BYTES;

/// The longest that a live sample waits for its commit: what a power cut may cost. Shorter wears out an SD card.
const LINGER: Duration = Duration::from_secs(10);
/// The same where the card matters more.
const LINGER_TO_SAVE_WEAR: Duration = Duration::from_mins(1);

impl Outbox {
    /// How long what is heard live may wait for its commit. What a watch has recorded does not wait: it goes in as it comes.
    pub fn linger(&self) -> Duration {
        if self.house.limits.wear_saver { LINGER_TO_SAVE_WEAR } else { LINGER }
    }
}

impl Limits {
    /// The cap in pages of so many bytes.
    pub(super) fn most_pages(&self, page: u64) -> u32 {
        u32::try_from(self.max_size / page.max(1)).unwrap_or(u32::MAX - 1)
    }

    /// Measurements may use up most of the headroom, so that live ones are still taken when history is not.
    pub(super) const fn floor_bytes(&self) -> u64 {
        self.keep_free / 4
    }
}
