//! A device without a log: it is listened to for as long as it talks.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::liveness::check;
use super::visit::{Ending, close, end_of};
use super::{Central, Watcher};
use crate::sync::slots::Slot;
use crate::sync::{Listening, SessionReport, WatchState, listen};
use crate::watch::{Identity, Live};
use crate::wire::bridge::DeviceId;

/// Most sensors say something every second. One that has been silent for so long is asked whether it is there; if it is, it has
/// nothing to say (a strap that nobody wears), and is left in peace for twice as long …
const SILENCE: Duration = Duration::from_mins(1);
/// … up to this.
const LONGEST_SILENCE: Duration = Duration::from_mins(15);
/// A device that is listened to keeps its link for so long before it gives way: what it says meanwhile is heard by nobody.
const TURN: Duration = Duration::from_mins(5);
/// What came is committed in this time.
const LAST_COMMIT: Duration = Duration::from_millis(800);

/// Why listening ended.
enum End {
    /// By itself: how the session went.
    Over(SessionReport),
    Silent,
    Wanted,
    Obstructed,
}

/// What was heard over one link, in as many sessions as it took.
#[derive(Default)]
struct Heard {
    before: Listening,
    now: Listening,
}

impl Heard {
    /// All in all.
    fn total(&self) -> Listening {
        Listening {
            samples: self.before.samples + self.now.samples,
            stored: self.before.stored + self.now.stored,
            unreadable: self.before.unreadable + self.now.unreadable,
            newest: self.now.newest.or(self.before.newest),
        }
    }

    /// A session is over; the next counts from zero.
    fn carry(&mut self) {
        self.before = self.total();
        self.now = Listening::default();
    }
}

impl<C: Central> Watcher<C> {
    /// Listens for as long as the link lasts and is ours. Closes it.
    pub(super) async fn listen_to<D: Live>(&mut self, mut driver: D, slot: &Slot) -> Ending {
        let ending = match self.meet(&mut driver, false).await {
            Ok((device, identity)) => self.listen_on(&mut driver, device, &identity, slot).await,
            Err(ending) => ending,
        };
        close(driver).await;
        ending
    }

    async fn listen_on<D: Live>(
        &mut self,
        driver: &mut D,
        device: DeviceId,
        identity: &Identity,
        slot: &Slot,
    ) -> Ending {
        let turn_over = Instant::now() + TURN;
        let (mut heard, mut patience) = (Heard::default(), SILENCE);
        loop {
            let end = self.hear(driver, device, identity, (slot, turn_over), &mut heard, patience).await;
            let spoke = heard.now.samples > 0;
            heard.carry();
            match end {
                End::Obstructed => return Ending::Obstructed,
                End::Wanted => return Ending::TurnOver,
                End::Over(report) => {
                    let closed = end_of(driver.link()).await;
                    let ended = || closed.map(|closed| Failure::of_closed(closed, true));
                    let failure = Failure::of_session(&report, closed).or_else(ended);
                    return failure
                        .unwrap_or(Failure::Failed("the device stopped talking".to_owned()))
                        .into();
                }
                End::Silent => {
                    patience = if spoke { SILENCE } else { (patience * 2).min(LONGEST_SILENCE) };
                    tokio::select! {
                        biased;
                        _ = self.gates.shut() => return Ending::Obstructed,
                        checked = check(driver) => if let Err(failure) = checked { return failure.into() },
                    }
                }
            }
        }
    }

    /// Listens until it ends, or has to, or nothing is heard for `patience`.
    async fn hear<D: Live>(
        &mut self,
        driver: &mut D,
        device: DeviceId,
        identity: &Identity,
        (slot, turn_over): (&Slot, Instant),
        heard: &mut Heard,
        patience: Duration,
    ) -> End {
        let (told, mut news) = watch::channel(Listening::default());
        let stop = CancellationToken::new();
        self.board.show(WatchState::Live(heard.total()));
        let (mut silent_at, mut leave) = (Instant::now() + patience, None);
        let session = listen(driver, device, identity, &self.outbox, self.clock, &told, &stop);
        tokio::pin!(session);
        let (report, end) = loop {
            let stopping = leave.is_some();
            let end = tokio::select! {
                biased;
                report = &mut session => break (Some(report), leave.map(|(end, _)| end)),
                Ok(()) = news.changed() => {
                    silent_at = Instant::now() + patience;
                    let now = *news.borrow_and_update();
                    // Said again when something is safe, not with each heart beat.
                    let worth = now.stored != heard.now.stored || (now.samples > 0 && heard.now.samples == 0);
                    heard.now = now;
                    if worth {
                        self.board.show(WatchState::Live(heard.total()));
                        self.arrivals.notify_one();
                        self.policy.was_of_use();
                    }
                    continue;
                }
                _ = self.gates.shut(), if !stopping => End::Obstructed,
                () = wanted_from(slot, turn_over), if !stopping => End::Wanted,
                () = sleep_until(silent_at), if !stopping => End::Silent,
                () = sleep_until(leave.as_ref().map_or(silent_at, |(_, at)| *at)), if stopping => {
                    break (None, leave.map(|(end, _)| end));
                }
            };
            stop.cancel();
            leave = Some((end, Instant::now() + LAST_COMMIT));
        };
        heard.now = *news.borrow();
        self.arrivals.notify_one();
        if let Some(report) = &report {
            self.board.session(report);
        }
        match (end, report) {
            (Some(end), _) => end,
            (None, Some(report)) => End::Over(report),
            (None, None) => End::Obstructed,
        }
    }
}

/// Waits until `from`, and then until somebody wants the slot.
async fn wanted_from(slot: &Slot, from: Instant) {
    sleep_until(from).await;
    slot.wanted().await;
}
