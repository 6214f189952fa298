//! What a live device tells, sealed into blocks on the host and committed.
//!
//! The device keeps nothing: what is not taken is gone. So listening goes on while the disk is busy, and while it is full; and the end
//! of a session, whoever brings it about, commits what is there before it says so. What the disk does not take then is [`Kept`], for the
//! next session or until there is room.

mod kept;
mod listener;
mod shelf;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::kept::Kept;
use self::listener::Listener;
use super::{Outcome, SessionReport, SyncError};
use crate::measurement::UtcMicros;
use crate::watch::{Identity, Live};
use crate::wire::bridge::DeviceId;

/// The ledger has so long to take down the end of a session.
const NOTING: Duration = Duration::from_millis(500);

/// How a live session goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// Samples that the device has told.
    pub samples: u64,
    /// Of these, safe in the outbox.
    pub stored: u64,
    /// Notifications that could not be read.
    pub unreadable: u64,
    /// Notifications that were left out, as they came twice.
    #[serde(default)]
    pub repeated: u64,
    /// When the newest one was taken.
    pub newest: Option<UtcMicros>,
    /// Charge of the device's battery, percent, if it tells.
    #[serde(default)]
    pub battery: Option<u8>,
}

/// Takes what the device tells until the link ends, something fails, or `stop`. What came before is committed, or else stays in `kept`.
///
/// The report counts blocks: `fetched` were sealed here, `new` are stored (with those that had waited in `kept`), `rejected` had to go
/// because the disk took nothing for too long. To be stopped, and to be hung up on from this side, is a complete session; a link that ends otherwise is a failed one.
pub async fn listen<D: Live>(
    driver: &mut D,
    device: DeviceId,
    identity: &Identity,
    kept: &mut Kept,
    told: &watch::Sender<Listening>,
    stop: &CancellationToken,
) -> SessionReport {
    let (outbox, clock) = (kept.outbox.clone(), kept.clock);
    let mut report = SessionReport::begun(Some(device), clock.now());
    let mut opened = None;
    let result = async {
        let host = outbox.host_log(device, identity.synthetic).await?;
        let session = outbox.begin_session(device, Some(host.log.key)).await?;
        opened = Some((session, host.log.key));
        report.cursor = host.log.cursor;
        Listener::new(clock, kept.store(host, session), told, &mut report).run(driver, stop).await
    };
    let result: Result<(), SyncError> = result.await;
    report.at = clock.now();
    if let Err(error) = result {
        report.outcome = Outcome::from(&error);
    }
    if let Some((session, log)) = opened {
        // As with any session: what is committed is committed, noted down or not.
        match timeout(NOTING, outbox.end_session(session, report.for_ledger(log))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "The end of a live session was not noted in the ledger.");
            }
            Err(_) => tracing::warn!("The end of a live session takes long to be noted in the ledger."),
        }
    }
    report
}
