//! What may stand between a watcher and its watch, whatever the watch does: somebody's wish, the radio, the hour.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::outbox::Hold;
use crate::radio::{RadioState, RadioTrouble};
use crate::sync::{QuietHours, WaitReason, WatchState};

/// The wall clock may be set while we wait for an hour: it is looked at this often.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_mins(1);

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The watch is being given new firmware.
    Updating,
    /// Somebody wants the watch to be left alone; until then, if a time was given.
    Held(Option<UtcMicros>),
    /// The radio cannot be used.
    Radio(RadioTrouble),
    /// It is quiet until then.
    Quiet(UtcMicros),
}

impl Obstacle {
    /// How `status` shows it.
    pub fn state(self) -> WatchState {
        match self {
            Self::Updating => WatchState::Updating,
            Self::Held(until) => WatchState::Held { until },
            Self::Radio(trouble) => {
                WatchState::Waiting { reason: WaitReason::RadioNotReady { trouble }, until: None }
            }
            Self::Quiet(until) => WatchState::Waiting { reason: WaitReason::QuietHours, until: Some(until) },
        }
    }

    /// Whether a running session may be finished first.
    pub const fn can_wait(&self) -> bool {
        matches!(self, Self::Quiet(_))
    }

    /// Whether there is a moment left to commit what is under way. Where there is no radio, nothing more comes.
    pub const fn leaves_a_moment(&self) -> bool {
        !matches!(self, Self::Radio(trouble) if !matches!(trouble, RadioTrouble::Asleep))
    }
}

/// The gates of one watcher.
#[derive(Debug)]
pub struct Gates {
    hold: watch::Receiver<Hold>,
    updating: watch::Receiver<bool>,
    radio: watch::Receiver<RadioState>,
    quiet: Option<QuietHours>,
    clock: Clock,
}

impl Gates {
    /// Gates that these open and close.
    pub const fn new(
        hold: watch::Receiver<Hold>,
        updating: watch::Receiver<bool>,
        radio: watch::Receiver<RadioState>,
        quiet: Option<QuietHours>,
        clock: Clock,
    ) -> Self {
        Self { hold, updating, radio, quiet, clock }
    }

    /// What stands in the way now; of several, what a person would want to know first. Quiet hours come last, since a session may
    /// go on in them.
    pub fn obstacle(&self) -> Option<Obstacle> {
        if *self.updating.borrow() {
            return Some(Obstacle::Updating);
        }
        let now = self.clock.now();
        match *self.hold.borrow() {
            Hold::UntilReleased => return Some(Obstacle::Held(None)),
            Hold::Until(until) if now < until => return Some(Obstacle::Held(Some(until))),
            Hold::Until(_) | Hold::Free => {}
        }
        if let RadioState::NotReady(trouble) = &*self.radio.borrow() {
            return Some(Obstacle::Radio(trouble.clone()));
        }
        self.quiet.as_ref()?.until(now).map(Obstacle::Quiet)
    }

    /// Waits until something stands in the way. Cancel-safe, as are the others.
    pub async fn shut(&self) -> Obstacle {
        self.until(Clone::clone).await
    }

    /// Waits until something stands in the way for which a session is broken off.
    pub async fn urgently_shut(&self) -> Obstacle {
        self.until(|obstacle| obstacle.clone().filter(|obstacle| !obstacle.can_wait())).await
    }

    /// Waits until something else stands in the way than `before`, or nothing.
    pub async fn moved(&self, before: &Obstacle) {
        self.until(|obstacle| (obstacle.as_ref() != Some(before)).then_some(())).await;
    }

    /// Waits until the radio's state changes.
    pub async fn radio_moved(&self) {
        if self.radio.clone().changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the radio was away since this was last asked, and is back.
    pub fn radio_returned(&mut self) -> bool {
        self.radio.has_changed().unwrap_or(false) && self.radio.borrow_and_update().is_ready()
    }

    /// Looks again whenever something changes until it is as wanted.
    async fn until<T>(&self, mut wanted: impl FnMut(&Option<Obstacle>) -> Option<T> + Send) -> T {
        let mut this = Self {
            hold: self.hold.clone(),
            updating: self.updating.clone(),
            radio: self.radio.clone(),
            quiet: self.quiet.clone(),
            clock: self.clock,
        };
        loop {
            this.hold.mark_unchanged();
            this.updating.mark_unchanged();
            this.radio.mark_unchanged();
            if let Some(found) = wanted(&this.obstacle()) {
                return found;
            }
            this.changed().await;
        }
    }

    /// Waits until something may be different.
    async fn changed(&mut self) {
        let pause = self.next_hour().map_or(Duration::MAX, |at| {
            let away = u64::try_from(at.0.saturating_sub(self.clock.now().0)).unwrap_or(0);
            Duration::from_micros(away).min(LOOK_AT_THE_CLOCK)
        });
        // A sender that is gone says nothing more; what it said last stands.
        tokio::select! {
            Ok(()) = self.hold.changed() => {}
            Ok(()) = self.updating.changed() => {}
            Ok(()) = self.radio.changed() => {}
            () = sleep(pause), if pause < Duration::MAX => {}
            else => std::future::pending().await,
        }
    }

    /// The next hour that changes something.
    fn next_hour(&self) -> Option<UtcMicros> {
        let now = self.clock.now();
        let held = match *self.hold.borrow() {
            Hold::Until(until) if now < until => Some(until),
            _ => None,
        };
        let quiet = self.quiet.as_ref().and_then(|quiet| quiet.until(now).or_else(|| quiet.next(now)));
        held.into_iter().chain(quiet).min()
    }
}
