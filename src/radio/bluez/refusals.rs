//! How the agent says no, and who hears of it.
//!
//! When a watch wants an encrypted link for what it is asked, BlueZ asks the agent; after its no the call that made it necessary gets
//! no answer for 30 s, when BlueZ gives the link up. That the agent was asked is the only sign of why.

use tokio::sync::broadcast::{self, error::RecvError};
use zbus::{DBusError, ObjectPath, OwnedObjectPath};

/// Refusals that may wait for a listener.
const QUEUE: usize = 16;

/// How the agent says no. BlueZ knows these two names.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.bluez.Error")]
pub(super) enum Refusal {
    /// An error of the bus itself.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// Nobody wants this pairing, or a person said no.
    Rejected(String),
    /// The question was taken back before it was answered.
    Canceled(String),
}

/// The devices that are turned away because nobody is pairing them.
#[derive(Clone, Debug)]
pub(super) struct Refusals(broadcast::Sender<OwnedObjectPath>);

/// Listens for one device.
#[derive(Debug)]
pub(super) struct TurnedAway {
    device: OwnedObjectPath,
    refusals: broadcast::Receiver<OwnedObjectPath>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self(broadcast::Sender::new(QUEUE))
    }
}

impl Refusals {
    /// Turns a device away.
    pub fn refuse(&self, device: &ObjectPath<'_>) -> Refusal {
        tracing::debug!(%device, "Refused a device that nobody is pairing.");
        // Mostly nobody waits for it.
        let _ = self.0.send(device.to_owned().into());
        Refusal::Rejected("nobody here is pairing this device".to_owned())
    }

    /// Listens from now on.
    pub fn of(&self, device: OwnedObjectPath) -> TurnedAway {
        TurnedAway { device, refusals: self.0.subscribe() }
    }
}

impl TurnedAway {
    /// Returns when the device has been turned away.
    pub async fn heard(&mut self) {
        loop {
            match self.refusals.recv().await {
                Ok(device) if device == self.device => return,
                // What was missed was about others: sixteen at once are no watch of ours.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_listener_hears_of_its_own_device_only() {
        let path = |path| ObjectPath::from_static_str_unchecked(path);
        let (ours, other) = (path("/org/bluez/hci0/dev_1"), path("/org/bluez/hci0/dev_2"));
        let refusals = Refusals::default();
        refusals.refuse(&ours);
        let mut turned_away = refusals.of(ours.clone().into());
        refusals.refuse(&other);
        assert!(
            turned_away.heard().now_or_never().is_none(),
            "neither what was before nor what is of others"
        );
        refusals.refuse(&ours);
        assert!(turned_away.heard().now_or_never().is_some());
    }
}
