//! What keeps things from going on, written down: the memory behind `nowbridge why`.
//!
//! Everything is read from the channels that `status` reads, so no loop knows of this one. A trouble is on record only once it has lasted
//! a while, and again only when its reason changes: a cloud that fails for a week is one row.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::control::Seat;
use crate::measurement::UtcMicros;
use crate::outbox::{Outbox, OutboxError, SinkName, SpellKey};
use crate::radio::{RadioState, RadioTrouble};
use crate::sync::{ClockStatus, WaitReason, WatchState, WatchStatus};
use crate::upload::{HoldReason, UploadState, UploadStatus};

/// What lasts less is not worth a row.
const NOTICED_AFTER: Duration = Duration::from_secs(10);
/// A watch that is out of range for less is nothing unusual.
const AWAY_AFTER: Duration = Duration::from_mins(10);
/// When a row that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Where it is seen what goes on.
pub struct Spells {
    /// Where it is written down.
    pub outbox: Outbox,
    /// Wall time.
    pub clock: Clock,
    /// The radio, if there is one.
    pub radio: Option<watch::Receiver<RadioState>>,
    /// The watches; they come and go.
    pub seats: watch::Receiver<Vec<Seat>>,
    /// This computer's clock.
    pub time: watch::Receiver<ClockStatus>,
    /// Those who are sent to.
    pub sinks: Vec<(SinkName, watch::Receiver<UploadStatus>)>,
}

/// How something goes on at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Fine,
    /// It is being tried: what was the matter may be so still.
    Unsure,
    Trouble {
        reason: &'static str,
        detail: String,
    },
}

/// What is known of one subject.
#[derive(Default)]
struct Track {
    /// A trouble that has not lasted long enough, or could not be written down.
    pending: Option<Pending>,
    /// The spell on record.
    open: Option<(SpellKey, &'static str)>,
    /// It is over, but that could not be written down.
    over: Option<UtcMicros>,
}

struct Pending {
    reason: &'static str,
    detail: String,
    began: UtcMicros,
    due: Instant,
}

impl Spells {
    /// Watches until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), OutboxError> {
        self.outbox.interrupt_spells().await?;
        let mut tracks: BTreeMap<String, Track> = BTreeMap::new();
        loop {
            let mut watches: Vec<_> =
                self.seats.borrow_and_update().iter().map(|seat| seat.status.clone()).collect();
            let mut seen = self.look(&mut watches);
            for (subject, track) in &mut tracks {
                // A watch that nobody looks after any more keeps nobody waiting.
                track.see(seen.remove(subject).unwrap_or(Seen::Fine), self.clock.now());
            }
            for (subject, seen) in seen {
                tracks.entry(subject).or_default().see(seen, self.clock.now());
            }
            for (subject, track) in &mut tracks {
                if let Err(error) = track.record(subject, &self.outbox).await {
                    tracing::warn!(subject, %error, "A spell is not in the ledger yet.");
                    track.put_off();
                }
            }
            let due = tracks.values().filter_map(Track::due).min();
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.changed(&mut watches) => {}
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
            }
        }
        // What follows until the next start is explained by this.
        let now = self.clock.now();
        self.outbox.begin_spell("nowbridge".to_owned(), "stopped".to_owned(), String::new(), now).await?;
        Ok(())
    }

    /// Every subject as it is now, once; marks what was looked at as seen.
    fn look(&mut self, watches: &mut [watch::Receiver<WatchStatus>]) -> BTreeMap<String, Seen> {
        let mut all = BTreeMap::new();
        let mut outbox = Seen::Unsure;
        if let Some(radio) = &mut self.radio {
            all.insert("radio".to_owned(), of_radio(&radio.borrow_and_update()));
        }
        for watch in watches {
            let status = watch.borrow_and_update();
            let (seen, store) = of_watch(&status.state);
            outbox = with_outbox(outbox, &seen, store);
            all.insert(format!("watch {}", status.address), seen);
        }
        all.insert("clock".to_owned(), of_clock(*self.time.borrow_and_update()));
        for (name, sink) in &mut self.sinks {
            let (seen, store) = of_sink(&sink.borrow_and_update());
            outbox = with_outbox(outbox, &seen, store);
            all.insert(format!("sink {name}"), seen);
        }
        all.insert("outbox".to_owned(), outbox);
        all
    }

    async fn changed(&mut self, watches: &mut [watch::Receiver<WatchStatus>]) {
        let radio = self.radio.iter_mut().map(|radio| changed(radio).boxed());
        let sinks = self.sinks.iter_mut().map(|(_, sink)| changed(sink).boxed());
        let watches = watches.iter_mut().map(|watch| changed(watch).boxed());
        let seats = std::iter::once(changed(&mut self.seats).boxed());
        let seats = seats.chain(std::iter::once(changed(&mut self.time).boxed()));
        select_all(seats.chain(radio).chain(sinks).chain(watches)).await;
    }
}

/// The outbox works when somebody has got through and nobody else says otherwise.
fn with_outbox(outbox: Seen, seen: &Seen, store: Option<Seen>) -> Seen {
    match (outbox, store) {
        (_, Some(trouble)) => trouble,
        (Seen::Unsure, None) if *seen == Seen::Fine => Seen::Fine,
        (outbox, None) => outbox,
    }
}

async fn changed<T>(seen: &mut watch::Receiver<T>) {
    if seen.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Track {
    fn see(&mut self, seen: Seen, now: UtcMicros) {
        match seen {
            Seen::Unsure => {}
            Seen::Fine => {
                self.pending = None;
                self.over = self.open.and(self.over.or(Some(now)));
            }
            Seen::Trouble { reason, .. } if self.open.is_some_and(|(_, open)| open == reason) => {
                (self.pending, self.over) = (None, None);
            }
            Seen::Trouble { reason, .. }
                if self.pending.as_ref().is_some_and(|pending| pending.reason == reason) => {}
            Seen::Trouble { reason, detail } => {
                let after = if reason == "away" { AWAY_AFTER } else { NOTICED_AFTER };
                self.pending = Some(Pending { reason, detail, began: now, due: Instant::now() + after });
            }
        }
    }

    /// Writes down what is due.
    async fn record(&mut self, subject: &str, outbox: &Outbox) -> Result<(), OutboxError> {
        let due = self.pending.as_ref().filter(|pending| pending.due <= Instant::now());
        let ended = self.over.or(due.map(|pending| pending.began));
        if let (Some((key, _)), Some(at)) = (self.open, ended) {
            outbox.end_spell(key, at).await?;
            (self.open, self.over) = (None, None);
        }
        if let Some(Pending { reason, detail, began, .. }) = due {
            let (subject, reason_text) = (subject.to_owned(), (*reason).to_owned());
            let key = outbox.begin_spell(subject, reason_text, detail.clone(), *began).await?;
            self.open = Some((key, reason));
            self.pending = None;
        }
        Ok(())
    }

    /// When there is something to write down, unless something changes before.
    fn due(&self) -> Option<Instant> {
        let again = self.over.map(|_| Instant::now() + RETRY);
        self.pending.as_ref().map(|pending| pending.due).into_iter().chain(again).min()
    }

    fn put_off(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.due = pending.due.max(Instant::now() + RETRY);
        }
    }
}

fn trouble(reason: &'static str, detail: impl Into<String>) -> Seen {
    Seen::Trouble { reason, detail: detail.into() }
}

fn of_radio(state: &RadioState) -> Seen {
    let RadioState::NotReady(what) = state else { return Seen::Fine };
    let reason = match what {
        RadioTrouble::NoService { .. } => "no_service",
        RadioTrouble::NoAdapter { .. } => "no_adapter",
        RadioTrouble::AdapterOff => "adapter_off",
        RadioTrouble::Blocked => "blocked",
        RadioTrouble::Asleep => "asleep",
    };
    trouble(reason, what.to_string())
}

fn of_clock(ClockStatus { trust, .. }: ClockStatus) -> Seen {
    if trust.is_believed() { Seen::Fine } else { trouble("not_believed", trust.to_string()) }
}

/// The second is what it says about the outbox, if anything. A session that has begun proves nothing: it may end as the last one did.
fn of_watch(state: &WatchState) -> (Seen, Option<Seen>) {
    let WatchState::Waiting { reason, .. } = state else {
        let seen = match state {
            WatchState::Live(_) | WatchState::Connected { .. } | WatchState::RadioOff => Seen::Fine,
            WatchState::Held { .. } => trouble("held", ""),
            _ => Seen::Unsure,
        };
        return (seen, None);
    };
    let seen = match reason {
        WaitReason::Scheduled => Seen::Fine,
        WaitReason::ItsTurn | WaitReason::RadioTaken { .. } | WaitReason::RadioNotReady { .. } => {
            Seen::Unsure
        }
        WaitReason::Away => trouble("away", ""),
        WaitReason::QuietHours => trouble("quiet_hours", ""),
        WaitReason::PairingNeeded => trouble("pairing_needed", ""),
        WaitReason::StaleBond => trouble("stale_bond", ""),
        WaitReason::Refused { detail } => trouble("refused", detail),
        WaitReason::BusyElsewhere { detail, .. } => trouble("busy_elsewhere", detail),
        WaitReason::RadioStuck { detail, .. } => trouble("radio_stuck", detail),
        WaitReason::Failed { detail, .. } => trouble("failed", detail),
        WaitReason::OutboxFails { detail, .. } => return (Seen::Unsure, Some(trouble("fails", detail))),
    };
    (seen, None)
}

/// The same for a sink. Only when everything is sent is a trouble over: while one kind is refused, others go on.
fn of_sink(status: &UploadStatus) -> (Seen, Option<Seen>) {
    let UploadState::Holding { reason, .. } = &status.state else {
        let seen = if status.state == UploadState::Idle { Seen::Fine } else { Seen::Unsure };
        return (seen, None);
    };
    let seen = match reason {
        HoldReason::NeedsLogin { detail } => trouble("needs_login", detail),
        HoldReason::NoConsent => trouble("no_consent", ""),
        HoldReason::Unavailable { detail, .. } => trouble("unavailable", detail),
        HoldReason::WrongClock { detail } => trouble("wrong_clock", detail),
        HoldReason::Misdirected { detail } => trouble("misdirected", detail),
        HoldReason::Refused { detail } => trouble("refused", detail),
        HoldReason::Outbox { detail } => return (Seen::Unsure, Some(trouble("fails", detail))),
    };
    (seen, None)
}
