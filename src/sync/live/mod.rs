//! What a live device tells, sealed into blocks on the host and committed.
//!
//! The device keeps nothing: what is not taken is gone. So listening goes on while the disk is busy, and while it is full; and the end
//! of a session, whoever brings it about, commits what is there before it says so.

mod listener;
mod shelf;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::listener::Listener;
use super::{Outcome, SessionReport, SyncError};
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
    /// Charge of the device's battery, percent, if it tells.
    #[serde(default)]
    pub battery: Option<u8>,
}

/// Takes what the device tells until the link ends, something fails, or `stop`. What came before is committed in any case.
///
/// The report counts blocks: `fetched` were sealed here, `new` of them are stored, `rejected` had to go because the disk took nothing
/// for too long. To be stopped, and to be hung up on from this side, is a complete session; a link that ends otherwise is a failed one.
pub async fn listen<D: Live>(
    driver: &mut D,
    device: DeviceId,
    identity: &Identity,
    outbox: &Outbox,
    clock: Clock,
    told: &watch::Sender<Listening>,
    stop: &CancellationToken,
) -> SessionReport {
    let mut report = SessionReport {
        device: Some(device),
        at: clock.now(),
        fetched: 0,
        new: 0,
        duplicate: 0,
        rejected: 0,
        cursor: Seq(0),
        newest: None,
        outcome: Outcome::Complete,
    };
    let mut opened = None;
    let result = async {
        let host = outbox.host_log(device, identity.synthetic).await?;
        let session = outbox.begin_session(device, Some(host.log.key)).await?;
        opened = Some((session, host.log.key));
        Listener::new(outbox, clock, host, session, told, &mut report).run(driver, stop).await
    };
    let result: Result<(), SyncError> = result.await;
    report.at = clock.now();
    if let Err(error) = result {
        report.outcome = Outcome::from(&error);
    }
    if let Some((session, log)) = opened {
        // As with any session: what is committed is committed, noted down or not.
        if let Err(error) = outbox.end_session(session, report.for_ledger(log)).await {
            tracing::warn!(%error, "The end of a live session was not noted in the ledger.");
        }
    }
    report
}
