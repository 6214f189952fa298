//! What a watcher is made with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::outbox::Hold;
use crate::radio::PeerAddress;
use crate::sync::{QuietHours, Recovery, Slots, WatchCounts, WatchState, WatchStatus};

/// What happens between sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Stay connected: one stable link costs a watch least. If other watches wait for a link, and no more are to be had, the watch is
    /// released until its next session.
    Stay,
    /// Disconnect, so that another host can have the watch. A device that keeps no log is listened to all the same, since there is
    /// nothing that could be fetched later; it gives way to others in turns.
    Release,
}

/// Which watch, and how often.
#[derive(Clone, Debug)]
pub struct WatcherConfig {
    /// Where it is reached.
    pub address: PeerAddress,
    /// What its owner calls it.
    pub name: Option<String>,
    /// What happens between sessions.
    pub mode: Mode,
    /// Time from the end of a session to the next.
    pub every: Duration,
    /// When it is left alone.
    pub quiet: Option<QuietHours>,
    /// Seed of the jitter.
    pub seed: u64,
}

/// What a watcher hears and says beside its status.
#[derive(Clone, Debug, Default)]
pub struct WatcherSignals {
    /// Said: something new is in the outbox.
    pub arrivals: Arc<Notify>,
    /// Heard: somebody wants a session now, or has mended what only a person can mend (paired, repaired).
    pub sync_now: Arc<Notify>,
    /// Heard: somebody wants the watch to be left alone.
    pub hold: watch::Sender<Hold>,
    /// Heard: the watch is being given new firmware, and is left alone.
    pub updating: watch::Sender<bool>,
}

/// What the watchers of one adapter share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Who may hold a link.
    pub slots: Slots,
    /// What is tried when the radio hangs.
    pub recovery: Recovery,
}

impl WatcherConfig {
    /// The status of a watch that was not reached for yet.
    pub fn initial_status(&self) -> WatchStatus {
        WatchStatus {
            address: self.address.clone(),
            name: self.name.clone(),
            device: None,
            driver: None,
            identity: None,
            state: WatchState::Connecting,
            complete_at: None,
            last_session: None,
            counts: WatchCounts::default(),
        }
    }
}
