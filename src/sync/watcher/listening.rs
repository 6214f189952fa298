//! A device without a log: it is listened to for as long as it talks.
//!
//! What it has said is nowhere else. So whatever ends a live session gives it the time to commit, also the end of the daemon; and what is not
//! committed in that time is kept.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::liveness::check;
use super::visit::{Ending, close, end_of};
use super::{Central, Watcher};
use crate::sync::slots::Slot;
use crate::sync::{Kept, Listening, SessionReport, WatchState, listen};
use crate::watch::{Identity, Live};
use crate::wire::bridge::DeviceId;

/// A device that is listened to keeps its link for so long before it gives way: what it says meanwhile is heard by nobody.
const TURN: Duration = Duration::from_mins(5);
/// What a device tells is shown this often, whatever it tells.
const SAY_EVERY: Duration = Duration::from_secs(1);
/// What came is committed in this time, or else kept for later. Less than a computer waits before it sleeps.
pub const LAST_COMMIT: Duration = Duration::from_secs(4);
/// At the end of the daemon there is no later: what is kept may take so long. With [`LAST_COMMIT`] less than the daemon waits for us.
pub const LAST_CHANCE: Duration = Duration::from_secs(4);

/// Why listening had to end.
#[derive(Clone, Copy)]
enum Reason {
    Wanted,
    Obstructed,
}

impl<C: Central> Watcher<C> {
    /// Listens for as long as the link lasts and is ours. Closes it.
    pub(super) async fn listen_to<D: Live>(&mut self, mut driver: D, slot: &Slot, kept: &mut Kept) -> Ending {
        let ending = match self.meet(&mut driver, false).await {
            Ok((device, identity)) => {
                let live = self.live.clone();
                live.send_replace(true);
                let heard = self.hear(&mut driver, device, &identity, slot, kept).await;
                live.send_replace(false);
                match heard {
                    Ok(report) => self.failure_to_hear(&report, &mut driver).await,
                    Err(Reason::Wanted) => Ending::TurnOver,
                    Err(Reason::Obstructed) => Ending::Obstructed,
                }
            }
            Err(ending) => ending,
        };
        close(driver).await;
        ending
    }

    /// Listens until it ends by itself, or has to.
    async fn hear<D: Live>(
        &mut self,
        driver: &mut D,
        device: DeviceId,
        identity: &Identity,
        slot: &Slot,
        kept: &mut Kept,
    ) -> Result<SessionReport, Reason> {
        let (told, mut news) = watch::channel(Listening::default());
        let (stop, turn_over) = (CancellationToken::new(), Instant::now() + TURN);
        let mut shown = Listening::default();
        self.board.show(WatchState::Live(shown));
        let mut said: Option<Instant> = None;
        let mut leave: Option<(Reason, Instant)> = None;
        let session = listen(driver, device, identity, kept, &told, &stop);
        tokio::pin!(session);
        let report = loop {
            let reason = tokio::select! {
                biased;
                report = &mut session => break Some(report),
                Ok(()) = news.changed() => {
                    let now = *news.borrow_and_update();
                    let safe = now.stored != shown.stored;
                    if safe || said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
                        (shown, said) = (now, Some(Instant::now()));
                        self.board.show(WatchState::Live(shown));
                    }
                    if safe {
                        self.arrivals.notify_one();
                        self.policy.was_of_use();
                        self.shared.recovery.succeeded();
                    }
                    continue;
                }
                () = self.cancel.cancelled(), if leave.is_none() => Reason::Obstructed,
                _ = self.gates.shut(), if leave.is_none() => Reason::Obstructed,
                () = wanted_from(slot, turn_over), if leave.is_none() => Reason::Wanted,
                () = sleep_until(leave.map_or(turn_over, |(_, at)| at)), if leave.is_some() => break None,
            };
            stop.cancel();
            leave = Some((reason, Instant::now() + LAST_COMMIT));
        };
        self.arrivals.notify_one();
        if let Some(report) = &report {
            self.board.session(report);
        }
        match (leave, report) {
            (None, Some(report)) => Ok(report),
            (Some((reason, _)), _) => Err(reason),
            (None, None) => Err(Reason::Obstructed),
        }
    }

    /// What it means that a session ended that nobody wanted to end.
    async fn failure_to_hear<D: Live>(&mut self, report: &SessionReport, driver: &mut D) -> Ending {
        let failure = match end_of(driver.link()).await {
            Some(closed) => Failure::of_closed(closed, true),
            // Silence ends a session, too: was anybody there?
            None => match check(driver).await {
                Err(failure) => failure,
                Ok(()) => Failure::of_session(report, None)
                    .unwrap_or_else(|| Failure::Failed("the device stopped talking".to_owned())),
            },
        };
        failure.into()
    }
}

/// Waits until `from`, and then until somebody wants the slot.
async fn wanted_from(slot: &Slot, from: Instant) {
    sleep_until(from).await;
    slot.wanted().await;
}
