//! The watch's clock in a session: compared with ours before anything is fetched, and once more if something fetched is newer.
//!
//! A sample has a date once an anchor stands at or after it (see [`crate::measurement::Timeline`]). The anchor at the beginning
//! dates the history; what the watch recorded while we talked is dated by the one at the end.

use super::SyncError;
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::outbox::{Anchor, AnchorSource, LogKey, Outbox};
use crate::radio::Link;
use crate::watch::{Bridge, WatchClock};
use crate::wire::bridge::{RawBlock, Stream};

/// A watch whose clock is this close to ours is left alone: each setting costs it a block of flash, and us a block to fetch.
const CLOCK_IS_RIGHT_US: u64 = 1_000_000;

/// The newest anchor of a session, and the newest sample that it has brought.
#[derive(Debug, Default)]
pub struct Anchoring {
    anchor: Option<Anchor>,
    /// On the clock of the anchor's boot, µs.
    newest_us: Option<u64>,
}

impl Anchoring {
    /// Compares the clocks, and sets the watch's if it is off.
    pub async fn begin<L: Link>(
        &mut self,
        bridge: &mut Bridge<L>,
        outbox: &Outbox,
        log: LogKey,
        clock: Clock,
    ) -> Result<(), SyncError> {
        // A host that was not told the time must not anchor a watch.
        if !clock.is_set() {
            tracing::warn!(now = %clock.now(), "This computer's clock is not set; the watch's readings wait for a time.");
            return Ok(());
        }
        let compared = self.compare(bridge, outbox, log, clock).await?;
        let ours = u64::try_from(compared.utc.0).unwrap_or(0);
        if compared.reading.utc_us.abs_diff(ours) > CLOCK_IS_RIGHT_US {
            bridge.set_clock(clock.now(), compared.uncertainty_us.saturating_mul(2)).await?;
        }
        Ok(())
    }

    /// Compares them again if something came that is newer than the anchor.
    pub async fn finish<L: Link>(
        &mut self,
        bridge: &mut Bridge<L>,
        outbox: &Outbox,
        log: LogKey,
        clock: Clock,
    ) -> Result<(), SyncError> {
        let anchored_us = self.anchor.map(|anchor| anchor.ticks_us);
        if anchored_us.is_some() && anchored_us < self.newest_us {
            self.compare(bridge, outbox, log, clock).await?;
        }
        Ok(())
    }

    /// Takes note of a block that came.
    pub fn note(&mut self, block: &RawBlock) {
        let header = block.header();
        let current = self.anchor.is_some_and(|anchor| anchor.boot == header.boot);
        if current && header.stream != Stream::ANCHORS {
            let last_us = last_tick_ms(block).map(|tick| tick.saturating_mul(1_000));
            self.newest_us = self.newest_us.max(last_us);
        }
    }

    /// When the newest sample was taken.
    pub fn newest(&self) -> Option<UtcMicros> {
        let (anchor, newest_us) = (self.anchor?, i64::try_from(self.newest_us?).ok()?);
        let since = newest_us.checked_sub(i64::try_from(anchor.ticks_us).ok()?)?;
        anchor.utc.0.checked_add(since).map(UtcMicros)
    }

    async fn compare<L: Link>(
        &mut self,
        bridge: &mut Bridge<L>,
        outbox: &Outbox,
        log: LogKey,
        clock: Clock,
    ) -> Result<WatchClock, SyncError> {
        let compared = bridge.compare_clocks(clock).await?;
        let anchor = Anchor {
            boot: compared.reading.boot,
            ticks_us: compared.reading.ticks_us,
            utc: compared.utc,
            uncertainty_us: compared.uncertainty_us,
            source: AnchorSource::Host,
        };
        outbox.add_anchor(log, anchor).await?;
        self.anchor = Some(anchor);
        Ok(compared)
    }
}

/// Time of a block's last sample, ms since its boot. Where the stream has a period the samples need not be unpacked.
fn last_tick_ms(block: &RawBlock) -> Option<u64> {
    let header = block.header();
    let info = header.stream.info()?;
    match info.period_ms {
        _ if header.has_own_times() => Some(block.samples().ok()?.last()?.at_ms),
        0 => Some(block.samples().ok()?.last()?.at_ms),
        period => {
            let after_first = u64::from(header.n.saturating_sub(1)) * u64::from(period);
            Some(header.t0_ms.saturating_add(after_first))
        }
    }
}
