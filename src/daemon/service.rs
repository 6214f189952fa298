//! Talking to systemd: ready, status, watchdog, stopping. Outside a service all of it is a no-op.

use std::time::Duration;

use sd_notify::NotifyState;

/// What the service manager is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notifier {
    /// Off in tests and in the demo, which are no services.
    pub enabled: bool,
}

impl Notifier {
    /// The database is open and the control socket is bound.
    pub fn ready(self) {
        self.tell(&[NotifyState::Ready, NotifyState::Status("Running.")]);
    }

    /// The loops are ending.
    pub fn stopping(self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("Stopping.")]);
    }

    /// Every loop has answered.
    pub fn alive(self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    /// How often the manager wants to hear that we live: half of its limit. `None` if it does not watch.
    pub fn watchdog_period(self) -> Option<Duration> {
        self.enabled.then(sd_notify::watchdog_enabled).flatten().map(|limit| limit / 2)
    }

    fn tell(self, state: &[NotifyState<'_>]) {
        if self.enabled
            && let Err(error) = sd_notify::notify(state)
        {
            tracing::debug!(%error, "The service manager could not be told.");
        }
    }
}
