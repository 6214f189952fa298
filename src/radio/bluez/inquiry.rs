//! What the keeper asks of the bus, and the answers.

use std::path::Path;
use std::pin::Pin;

use btleplug::api::{Central as _, Manager as _};
use btleplug::platform::{Adapter, Manager};
use zbus::{Connection, OwnedObjectPath};

use super::ears::Ears;
use super::error::{Fault, within};
use super::ground::STEP_DEADLINE;
use super::standing::StandingAgent;
use super::survey::{self, Adapters};

/// Where the kernel shows its devices.
const SYSFS: &str = "/sys";

/// What is being asked, so that the answer can come while signals do.
pub(super) type Work = Pin<Box<dyn Future<Output = Found> + Send>>;

/// What was asked, and the answer.
pub(super) enum Found {
    /// The adapters, or `None` if bluetoothd is not there.
    Adapters(Result<Option<Adapters>, Fault>),
    /// The adapter at this path, for GATT.
    Gatt(OwnedObjectPath, Result<(Gatt, Adapter), Fault>, Option<StandingAgent>),
}

/// btleplug's connection to the bus.
#[derive(Clone, Debug)]
pub(super) struct Gatt {
    manager: Manager,
    pub ears: Ears,
}

/// Asks for the adapters.
pub(super) fn adapters(bus: Connection) -> Work {
    Box::pin(async move { Found::Adapters(survey::adapters(&bus, Path::new(SYSFS)).await) })
}

/// Asks for the adapter at `path`, which has this address, for GATT, and has the pairing agent stand with its bluetoothd.
pub(super) fn raise(
    bus: Connection,
    path: OwnedObjectPath,
    address: String,
    known: Option<Gatt>,
    agent: Option<StandingAgent>,
) -> Work {
    Box::pin(async move {
        let agent = stand(agent, &bus).await;
        Found::Gatt(path, gatt(known, &address).await, agent)
    })
}

/// The answer, when it is there; never, if nothing was asked.
pub(super) async fn done(work: &mut Option<Work>) -> Found {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// The adapter with this address, as btleplug knows it.
async fn gatt(known: Option<Gatt>, address: &str) -> Result<(Gatt, Adapter), Fault> {
    let gatt = match known {
        Some(gatt) => gatt,
        None => within(STEP_DEADLINE, "a second connect to the system bus", dial()).await?,
    };
    let adapters = within(STEP_DEADLINE, "the adapters", gatt.manager.adapters()).await?;
    for adapter in adapters {
        let found = within(STEP_DEADLINE, "an adapter", adapter.adapter_address()).await?;
        if found.is_some_and(|found| found.to_string().eq_ignore_ascii_case(address)) {
            return Ok((gatt, adapter));
        }
    }
    Err(Fault::new("", &format!("the adapter {address} is incomplete")))
}

/// libdbus connects in a blocking way, and a bus that hangs must not hang our threads.
async fn dial() -> Result<Gatt, Fault> {
    let runtime = tokio::runtime::Handle::current();
    let dialled = tokio::task::spawn_blocking(move || runtime.block_on(Manager::new())).await;
    let manager = dialled.map_err(|error| Fault::new("", &error.to_string()))??;
    Ok(Gatt { manager, ears: Ears::default() })
}

/// Registers our agent with a bluetoothd that may be a new one. Pairing is all that is missing without it.
async fn stand(agent: Option<StandingAgent>, bus: &Connection) -> Option<StandingAgent> {
    let stood = match agent {
        Some(agent) => agent.renew().await.map(|()| agent),
        None => StandingAgent::register(bus).await,
    };
    stood.inspect_err(|error| tracing::warn!(%error, "There is no pairing agent.")).ok()
}
