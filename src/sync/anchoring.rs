//! The watch's clock in a session: compared with ours before anything is fetched, and once more if something fetched is newer.
//!
//! A sample has a date once an anchor stands at or after it (see [`crate::measurement::Timeline`]). The anchor at the beginning
//! dates the history; what the watch recorded while we talked is dated by the one at the end.

use super::SyncError;
use crate::clock::{Clock, Trust};
use crate::measurement::UtcMicros;
use crate::outbox::{Anchor, AnchorSource, Chosen, LogKey, Outbox};
use crate::radio::Link;
use crate::watch::{Bridge, WatchClock};
use crate::wire::bridge::{AnchorRecord, RawBlock, Stream};

/// A watch whose clock is this close to ours is left alone: each setting costs it a block of flash, and us a block to fetch.
const CLOCK_IS_RIGHT_US: u64 = 1_000_000;
/// Our clock was set while the watch's was read if it moved by more than this against the one that nobody sets.
const CLOCK_WAS_SET_US: u64 = 100_000;
/// Somebody who sets the clock again and again is not waited for.
const COMPARISONS: u32 = 3;
/// Who had set the watch's clock, and how well, is the watch's word: it is taken for no better than this.
const WATCHS_WORD_US: u32 = 1_000_000;

/// The newest anchor of a session, and the newest sample that it has brought.
#[derive(Debug, Default)]
pub struct Anchoring {
    anchor: Option<Anchor>,
    /// What the watch says of its clock in blocks that came and are not committed yet.
    told: Vec<Anchor>,
    /// On the clock of the anchor's boot, µs.
    newest_us: Option<u64>,
}

impl Anchoring {
    /// Compares the clocks, and sets the watch's if it is off; unless ours is not to be believed, which it tells.
    pub async fn begin<L: Link>(
        &mut self,
        bridge: &mut Bridge<L>,
        outbox: &Outbox,
        log: LogKey,
        clock: Clock,
    ) -> Result<Trust, SyncError> {
        outbox.notice_clock().await?;
        let trust = clock.trust();
        // A host that was not told the time must not anchor a watch.
        if !trust.is_believed() {
            tracing::warn!(now = %clock.now(), reason = %trust, "The watch's readings wait for a time.");
            return Ok(trust);
        }
        let Some(compared) = self.compare(bridge, outbox, log, clock).await? else { return Ok(trust) };
        let ours = u64::try_from(compared.utc.0).unwrap_or(0);
        if compared.reading.utc_us.abs_diff(ours) > CLOCK_IS_RIGHT_US {
            bridge.set_clock(clock.now(), compared.uncertainty_us.saturating_mul(2)).await?;
        }
        Ok(trust)
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
        if anchored_us.is_some() && anchored_us < self.newest_us && clock.is_set() {
            self.compare(bridge, outbox, log, clock).await?;
        }
        Ok(())
    }

    /// Takes note of a block that came.
    pub fn note(&mut self, block: &RawBlock) {
        let header = block.header();
        if header.stream == Stream::ANCHORS
            && let Ok(record) = AnchorRecord::decode(block.payload())
        {
            self.told.push(Anchor {
                boot: header.boot,
                ticks_us: record.ticks_us,
                utc: record.utc(),
                uncertainty_us: record.uncertainty_ms.saturating_mul(1_000).max(WATCHS_WORD_US),
                source: AnchorSource::Watch,
            });
        }
        let current = self.anchor.is_some_and(|anchor| anchor.boot == header.boot);
        if current && header.stream != Stream::ANCHORS {
            let last_us = last_tick_ms(block).map(|tick| tick.saturating_mul(1_000));
            self.newest_us = self.newest_us.max(last_us);
        }
    }

    /// What the watch has told of its clock since the last time; to be committed with the blocks that told it.
    pub fn take_told(&mut self) -> Vec<Anchor> {
        std::mem::take(&mut self.told)
    }

    /// When the newest sample was taken.
    pub fn newest(&self) -> Option<UtcMicros> {
        let (anchor, newest_us) = (self.anchor?, i64::try_from(self.newest_us?).ok()?);
        let since = newest_us.checked_sub(i64::try_from(anchor.ticks_us).ok()?)?;
        anchor.utc.0.checked_add(since).map(UtcMicros)
    }

    /// Compares the clocks and takes an anchor. `None` if it contradicts one that is more certain: our clock is the worse one.
    async fn compare<L: Link>(
        &mut self,
        bridge: &mut Bridge<L>,
        outbox: &Outbox,
        log: LogKey,
        clock: Clock,
    ) -> Result<Option<WatchClock>, SyncError> {
        let compared = undisturbed(bridge, clock).await?;
        let anchor = Anchor {
            boot: compared.reading.boot,
            ticks_us: compared.reading.ticks_us,
            utc: compared.utc,
            uncertainty_us: compared.uncertainty_us,
            source: AnchorSource::of_host(clock.trust()),
        };
        match outbox.choose_anchor(log, anchor).await? {
            Chosen::Added => {}
            Chosen::Voids { off_us } => tracing::warn!(
                off_seconds = off_us / 1_000_000,
                "What this computer said before of the watch's clock was wrong, and is put right."
            ),
            Chosen::Contradicts { off_us } => tracing::warn!(
                off_seconds = off_us / 1_000_000,
                "This computer's clock was set since it was last compared with the watch's; what is \
                 dated stays as it is."
            ),
            Chosen::Outweighed { off_us } => {
                tracing::warn!(
                    off_seconds = off_us / 1_000_000,
                    "This computer's clock contradicts what it said when it was known to be right; \
                     the watch's readings wait."
                );
                return Ok(None);
            }
            Chosen::Unfounded => return Ok(None),
        }
        self.anchor = Some(anchor);
        Ok(Some(compared))
    }
}

/// A comparison during which our own clock was not set.
async fn undisturbed<L: Link>(bridge: &mut Bridge<L>, clock: Clock) -> Result<WatchClock, SyncError> {
    let mut comparisons = 0;
    loop {
        let offset_us = clock.offset_us();
        let compared = bridge.compare_clocks(clock).await?;
        comparisons += 1;
        if clock.offset_us().abs_diff(offset_us) <= CLOCK_WAS_SET_US || comparisons == COMPARISONS {
            return Ok(compared);
        }
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
