//! One session: from our cursor to the head of the watch's log.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::anchoring::Anchoring;
use super::intake::{Damage, Intake, Offered};
use super::{Outcome, Progress, SessionReport, SyncError, history};
use crate::clock::Clock;
use crate::outbox::{Log, Outbox, SessionKey};
use crate::radio::Link;
use crate::watch::{Bridge, Pulled, WatchError};
use crate::wire::bridge::{Capabilities, DataError, ErrorCode, Info, RawBlock, Seq};

/// A watch that cannot read its flash may be erasing a page; it is asked again after this.
const FLASH_REST: Duration = Duration::from_secs(5);
/// While blocks stream in, the watch is told this often at most what is safe: telling takes two connection events, in which nobody
/// takes what arrives, and a watch that is told late only frees its flash late.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Pulls in a row that bring nothing new before the session gives up and leaves the rest to the next one.
const PULLS_WITHOUT_PROGRESS: u32 = 8;

/// Runs one session on an open conversation and tells how it ended; the ledger gets the same words.
pub async fn collect<L: Link>(
    bridge: &mut Bridge<L>,
    outbox: &Outbox,
    clock: Clock,
    progress: &watch::Sender<Progress>,
) -> SessionReport {
    let mut report = SessionReport::begun(None, clock.now());
    let mut opened = None;
    let result = async {
        let info = bridge.info().await?;
        report.device = Some(info.device_id);
        let synthetic = info.caps.has(Capabilities::SYNTHETIC);
        // A log begins at 1: what a watch has overwritten before we first met is a gap like any other.
        let log = outbox.watch_log(info.device_id, info.log_id, synthetic, Seq(0)).await?;
        let key = outbox.begin_session(info.device_id, Some(log.key)).await?;
        opened = Some((key, log.key));
        let log = history::present_era(outbox, key, log, &info).await?;
        opened = Some((key, log.key));
        report.cursor = log.cursor;
        let session = Session {
            bridge,
            outbox,
            clock,
            log,
            key,
            report: &mut report,
            progress,
            anchoring: Anchoring::default(),
            told: Seq(0),
            told_at: Instant::now(),
        };
        session.run(info).await
    };
    let result: Result<(), SyncError> = result.await;
    report.at = clock.now();
    if let Err(error) = result {
        report.outcome = Outcome::from(&error);
    }
    if let Some((key, log)) = opened {
        // The ledger is a convenience here: a session that cannot be noted down has still committed its blocks.
        if let Err(error) = outbox.end_session(key, report.for_ledger(log)).await {
            tracing::warn!(%error, "The end of a session was not noted in the ledger.");
        }
    }
    report
}

struct Session<'a, L> {
    bridge: &'a mut Bridge<L>,
    outbox: &'a Outbox,
    clock: Clock,
    log: Log,
    key: SessionKey,
    report: &'a mut SessionReport,
    progress: &'a watch::Sender<Progress>,
    anchoring: Anchoring,
    /// What the watch was told in this session.
    told: Seq,
    /// When that was, or the session began.
    told_at: Instant,
}

/// Why a pull ended.
enum PullEnd {
    /// The watch said so, or what it sent has a hole.
    Over,
    /// The watch has sent as much as it was granted, and there is more: a watch that queues fast ends before it can be granted more.
    Drained,
    /// The block that was asked for is damaged: what came of it.
    Damaged(Bytes),
    /// The first block that came is a later one than was asked for.
    Ahead(Seq),
}

impl<L: Link> Session<'_, L> {
    async fn run(mut self, info: Info) -> Result<(), SyncError> {
        self.report.clock = self.anchoring.begin(self.bridge, self.outbox, self.log.key, self.clock).await?;
        self.bridge.flush().await?;
        let mut window = self.window(&info).await?;
        history::compare(self.bridge, self.outbox, self.key, &self.log, &window).await?;
        let mut intake = Intake::new(self.log.cursor);
        let (mut fruitless, mut damage) = (0, Damage::default());
        loop {
            intake.explain_before(window.tail.min(window.head.next()), &window);
            self.show(&window);
            let expected = intake.expected();
            if expected > window.head {
                self.commit(&mut intake).await?;
                self.tell_again(&window).await?;
                return self.anchoring.finish(self.bridge, self.outbox, self.log.key, self.clock).await;
            }
            let room = *self.outbox.room().borrow();
            if !room.is_ample() {
                self.tell_again(&window).await?;
                return Err(SyncError::NoRoom(room));
            }
            let end = self.pull(&window, &mut intake).await?;
            let drained = matches!(end, PullEnd::Drained);
            self.commit(&mut intake).await?;
            match end {
                PullEnd::Damaged(bytes) if damage.again(&bytes) => {
                    self.report.rejected += 1;
                    intake.explain_corrupt(bytes);
                }
                PullEnd::Ahead(got) => self.pass_over(&window, got, &mut intake).await?,
                PullEnd::Damaged(_) | PullEnd::Over | PullEnd::Drained => {}
            }
            if intake.expected() > expected {
                (fruitless, damage) = (0, Damage::default());
            } else {
                fruitless += 1;
            }
            if fruitless >= PULLS_WITHOUT_PROGRESS {
                return Err(SyncError::NoProgress { cursor: self.report.cursor, head: window.head });
            }
            // Nothing has happened that the window could explain, and asking for it takes as long as many blocks.
            if !drained {
                window = self.window(&info).await?;
            }
        }
    }

    /// The log window as it is now, if it is still the same log.
    async fn window(&mut self, info: &Info) -> Result<Info, SyncError> {
        let window = self.bridge.info().await?;
        let same = (window.device_id, window.log_id) == (info.device_id, info.log_id);
        if same { Ok(window) } else { Err(SyncError::LogChanged) }
    }

    /// Names the numbers before `got`, which came where an earlier one was due, if the watch stands by it.
    async fn pass_over(&mut self, window: &Info, got: Seq, intake: &mut Intake) -> Result<(), SyncError> {
        let expected = intake.expected();
        let found = self.bridge.peek(window, expected).await?;
        if found.is_none_or(|block| block.header().seq != got) {
            return Ok(());
        }
        let window = self.bridge.info().await?;
        if got > window.head {
            tracing::warn!(%expected, %got, head = %window.head, "The watch sent a number above its own head.");
            self.report.rejected += 1;
            return Ok(());
        }
        intake.explain_before(got, &window);
        Ok(())
    }

    /// Pulls from the next wanted block until the watch ends it or something is wrong with what arrives.
    async fn pull(&mut self, window: &Info, intake: &mut Intake) -> Result<PullEnd, SyncError> {
        self.bridge.start_pull(window, intake.expected()).await?;
        let mut first = true;
        loop {
            match self.bridge.pull_next(intake.due()).await {
                Ok(Pulled::Block(block)) => {
                    self.report.fetched += 1;
                    if let Some(end) = self.take(&block, first, intake) {
                        self.bridge.stop_pull().await?;
                        return Ok(end);
                    }
                    first = false;
                    if intake.is_full(self.bridge.has_more()) {
                        self.commit(intake).await?;
                        self.show(window);
                        if !self.outbox.room().borrow().is_ample() {
                            self.bridge.stop_pull().await?;
                            return Ok(PullEnd::Over);
                        }
                    }
                }
                Ok(Pulled::Nothing) => self.commit(intake).await?,
                Ok(Pulled::End { next }) if !first && next == intake.expected() && next <= window.head => {
                    return Ok(PullEnd::Drained);
                }
                // The ring may move on while we ask; then the window is read anew, as at any end.
                Ok(Pulled::End { .. }) | Err(WatchError::Refused { code: ErrorCode::BeforeTail, .. }) => {
                    return Ok(PullEnd::Over);
                }
                Err(WatchError::Refused { code: ErrorCode::Flash, .. }) => {
                    tokio::time::sleep(FLASH_REST).await;
                    return Ok(if first { PullEnd::Damaged(Bytes::new()) } else { PullEnd::Over });
                }
                Err(WatchError::Data(error)) => {
                    tracing::debug!(%error, "The block stream has a hole; it is pulled again.");
                    // Only the first block of a pull is known to be the one that was asked for.
                    let at_fault = matches!(error, DataError::Block(_)) && first;
                    let damaged = self.bridge.stop_pull().await?.filter(|_| at_fault);
                    return Ok(damaged.map_or(PullEnd::Over, PullEnd::Damaged));
                }
                Err(error) => {
                    self.commit_what_came(intake).await?;
                    return Err(error.into());
                }
            }
        }
    }

    /// Takes a block if its number is due; otherwise tells how to go on.
    fn take(&mut self, block: &RawBlock, first: bool, intake: &mut Intake) -> Option<PullEnd> {
        match intake.offer(block) {
            Offered::Taken => {
                self.anchoring.note(block);
                None
            }
            // Notifications may have been lost without a trace. Asked for anew, the watch starts with the first it has.
            Offered::Ahead if !first => Some(PullEnd::Over),
            Offered::Ahead => Some(PullEnd::Ahead(block.header().seq)),
            Offered::Behind => {
                self.report.rejected += 1;
                Some(PullEnd::Over)
            }
        }
    }

    /// Commits what is pending, then tells the watch if it has not been told for a while.
    async fn commit(&mut self, intake: &mut Intake) -> Result<(), SyncError> {
        if self.commit_what_came(intake).await? && self.told_at.elapsed() >= TELL_EVERY {
            self.bridge.commit(self.log.log_id, self.report.cursor).await?;
            (self.told, self.told_at) = (self.report.cursor, Instant::now());
        }
        Ok(())
    }

    /// Tells the watch what it does not know yet. The last session may have broken off between its commit and telling the watch.
    async fn tell_again(&mut self, window: &Info) -> Result<(), SyncError> {
        if self.told.max(window.acked) < self.report.cursor {
            self.bridge.commit(self.log.log_id, self.report.cursor).await?;
        }
        Ok(())
    }

    /// Commits what is pending. `false` if there was nothing.
    async fn commit_what_came(&mut self, intake: &mut Intake) -> Result<bool, SyncError> {
        if intake.is_empty() {
            return Ok(false);
        }
        let (blocks, gaps) = intake.take();
        let told = self.anchoring.take_told();
        let appended = self.outbox.append_anchored(self.log.key, self.key, told, blocks, gaps).await?;
        self.report.new += u64::from(appended.new);
        self.report.duplicate += u64::from(appended.duplicate);
        self.report.cursor = appended.cursor;
        self.report.newest = self.anchoring.newest().or(self.report.newest);
        Ok(true)
    }

    fn show(&self, window: &Info) {
        self.progress.send_replace(Progress {
            cursor: self.report.cursor,
            head: window.head,
            fetched: self.report.fetched,
        });
    }
}
