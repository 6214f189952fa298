//! The log that the host keeps for a device that keeps none.
//!
//! It is a log like any other: numbered blocks, times in ticks since a boot, anchors. The boots are runs of this process, and the
//! clock is tokio's monotonic one, so that a wall clock that is set in the middle of a measurement moves nothing.
//!
//! A tick has a date once an anchor stands at or after it. So an anchor goes in with every group of blocks, in the same transaction
//! and in front of them: what is committed can be sent at once, and one flush of the disk does for both.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Anchor, AnchorSource, Appended, Log, LogKey, NewBlock, NewGap, Outbox, OutboxError, SessionKey};
use super::{append, choosing, logs};
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::wire::bridge::{Boot, DeviceId, LogId, Seq};

/// What the clock of a boot shows when its number is taken: what a device tells first may have happened a little earlier.
const LEAD: Duration = Duration::from_mins(1);
/// How long reading two clocks one after the other may take.
const READING_US: u32 = 1_000;

/// A device's log on the host, and the clock of this process for it.
#[derive(Clone, Copy, Debug)]
pub struct HostLog {
    /// The log. Its next block has the number after `log.cursor`.
    pub log: Log,
    /// This run of the process.
    pub boot: Boot,
    /// When the number was taken: a tick of one minute.
    taken: Instant,
}

/// The boots that this process has taken, by log.
#[derive(Debug, Default)]
pub(super) struct HostBoots(Mutex<BTreeMap<LogKey, (Boot, Instant)>>);

impl Outbox {
    /// The log that the host keeps for a device. Every process that asks gets a boot of its own, one above all that were used; all who
    /// ask in this process get the same.
    ///
    /// When the boot numbers are used up, a new era begins, and with it the numbers of blocks.
    pub async fn host_log(&self, device: DeviceId, synthetic: bool) -> Result<HostLog, OutboxError> {
        let now = self.house.clock.now();
        let (log, newest) = self
            .write(move |tx| {
                let log = logs::present(tx, (device, LogId::HOST), synthetic, Seq(0), now)?;
                let newest =
                    tx.prepare_cached(sql!("log_newest_boot"))?.query_row([log.key], |row| row.get(0))?;
                Ok((log, newest))
            })
            .await?;
        if let Some((boot, taken)) = self.house.host_boots.of(log.key) {
            return Ok(HostLog { log, boot, taken });
        }
        let (log, boot) = match newest {
            Boot(u16::MAX) => (self.new_era(log.key, Seq(0)).await?, Boot(1)),
            Boot(newest) => (log, Boot(newest + 1)),
        };
        let (boot, taken) = self.house.host_boots.take(log.key, boot);
        Ok(HostLog { log, boot, taken })
    }

    /// Stores blocks and gaps as [`Outbox::append`] does, and those of `anchors` that are to count in front of them: all or nothing.
    pub async fn append_anchored(
        &self,
        log: LogKey,
        session: SessionKey,
        anchors: Vec<Anchor>,
        blocks: Vec<NewBlock>,
        gaps: Vec<NewGap>,
    ) -> Result<Appended, OutboxError> {
        self.notice_clock().await?;
        let (clock, now, door) = (self.house.clock, self.house.clock.now(), self.house.door());
        self.write(move |tx| {
            door.admit(tx)?;
            for anchor in anchors {
                choosing::choose(tx, log, anchor, clock)?;
            }
            append::take_in(tx, (log, session), now, blocks, gaps)
        })
        .await
    }
}

impl HostLog {
    /// What this boot's clock shows at `at`, µs.
    pub fn tick_us(&self, at: Instant) -> u64 {
        let shown = LEAD + at.saturating_duration_since(self.taken);
        let shown = shown.saturating_sub(self.taken.saturating_duration_since(at));
        u64::try_from(shown.as_micros()).unwrap_or(u64::MAX)
    }

    /// This boot's clock against the wall clock, now; or at `newest`, if that lies ahead by the other clock that it was counted on.
    pub fn anchor(&self, clock: Clock, newest: Option<Instant>) -> Anchor {
        let (now_us, utc) = (self.tick_us(Instant::now()), clock.now());
        let ahead_us = newest.map_or(0, |newest| self.tick_us(newest).saturating_sub(now_us));
        let utc = UtcMicros(utc.0.saturating_add_unsigned(ahead_us));
        let ticks_us = now_us.saturating_add(ahead_us);
        let source = AnchorSource::of_host(clock.trust());
        Anchor { boot: self.boot, ticks_us, utc, uncertainty_us: READING_US, source }
    }
}

impl HostBoots {
    fn of(&self, log: LogKey) -> Option<(Boot, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&log).copied()
    }

    /// Notes the boot of this process, unless somebody was faster.
    fn take(&self, log: LogKey, boot: Boot) -> (Boot, Instant) {
        let mut boots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *boots.entry(log).or_insert_with(|| (boot, Instant::now()))
    }
}
