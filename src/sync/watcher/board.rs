//! The one place where a watcher says what it is doing.

use tokio::sync::watch;

use crate::measurement::UtcMicros;
use crate::sync::{Outcome, SessionReport, WaitReason, WatchCounts, WatchState, WatchStatus};
use crate::watch::{DriverName, Identity};
use crate::wire::bridge::DeviceId;

/// What `status` shows of one watch, and the log's share of it.
#[derive(Debug)]
pub struct Board {
    status: watch::Sender<WatchStatus>,
    logged: &'static str,
}

impl Board {
    /// Nothing was said yet.
    pub const fn new(status: watch::Sender<WatchStatus>) -> Self {
        Self { status, logged: "" }
    }

    /// The watch is in this state now. A reason is logged when it is a new one, not whenever something is tried once more.
    pub fn show(&mut self, state: WatchState) {
        let name = state.name();
        let passing = matches!(state, WatchState::Connecting | WatchState::Syncing(_))
            || matches!(state, WatchState::Waiting { reason: WaitReason::ItsTurn, .. });
        if !passing && name != self.logged {
            self.logged = name;
            tracing::info!(watch = %self.status.borrow().address, state = name, detail = detail(&state), "A watch's state.");
        }
        self.status.send_if_modified(|status| {
            let news = status.state != state;
            status.state = state;
            news
        });
    }

    /// Not connected, for this reason, until then.
    pub fn wait(&mut self, reason: &WaitReason, until: Option<UtcMicros>) {
        self.show(WatchState::Waiting { reason: reason.clone(), until });
    }

    /// Counts something.
    pub fn count(&self, count: impl FnOnce(&mut WatchCounts)) {
        self.status.send_modify(|status| count(&mut status.counts));
    }

    /// Whether the watch was not known to be this device.
    pub fn is_new(&self, device: DeviceId) -> bool {
        self.status.borrow().device != Some(device)
    }

    /// The watch was reached and has told who it is.
    pub fn met(&self, device: DeviceId, driver: DriverName, identity: &Identity) {
        self.status.send_if_modified(|status| {
            let known = status.device == Some(device)
                && status.driver == Some(driver)
                && status.identity.as_ref() == Some(identity);
            if !known {
                (status.device, status.driver, status.identity) =
                    (Some(device), Some(driver), Some(identity.clone()));
            }
            !known
        });
    }

    /// A session ended.
    pub fn session(&self, report: &SessionReport) {
        tracing::info!(
            watch = %self.status.borrow().address, fetched = report.fetched, new = report.new,
            duplicate = report.duplicate, rejected = report.rejected, cursor = %report.cursor,
            outcome = %report.outcome, "A sync session ended."
        );
        self.status.send_modify(|status| {
            status.device = report.device.or(status.device);
            if report.outcome == Outcome::Complete {
                status.complete_at = Some(report.at);
                status.counts.complete += 1;
            }
            status.last_session = Some(report.clone());
        });
    }
}

fn detail(state: &WatchState) -> String {
    match state {
        WatchState::Waiting { reason, .. } => match reason {
            WaitReason::RadioNotReady { trouble } => trouble.to_string(),
            WaitReason::RadioTaken { detail }
            | WaitReason::Refused { detail }
            | WaitReason::BusyElsewhere { detail, .. }
            | WaitReason::RadioStuck { detail, .. }
            | WaitReason::OutboxFails { detail, .. }
            | WaitReason::Failed { detail, .. } => detail.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}
