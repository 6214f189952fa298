//! Keeping the agent registered with BlueZ.
//!
//! Without any agent, a read of a protected value hangs for 30 s before BlueZ gives up. So the agent stands while the daemon
//! runs, and refuses everybody until a pairing opens a window. A standing agent is the default one where there is no other, as
//! on a headless computer: BlueZ makes the first that registers the default. Where a desktop has one, it keeps that
//! place, or else headsets could not pair any more; only for the time of a pairing ours takes it.

use zbus::{Connection, ObjectPath, OwnedObjectPath};

use super::agent::{Agent, Window};
use super::bus::{self, AgentManagerProxy};
use crate::radio::PairingDesk;

/// Where the agent is on our connection.
pub(super) const AGENT_PATH: ObjectPath<'static> =
    ObjectPath::from_static_str_unchecked("/org/nowbridge/agent");
/// We can show six digits, ask for them, and ask for yes or no: the watch decides which it will be.
const CAPABILITY: &str = "KeyboardDisplay";

/// A hold on the agent of a bus connection: it is registered as long as there is one. One that is dropped instead of released
/// leaves the agent registered until the connection ends; then BlueZ drops it by itself.
#[derive(Debug)]
pub(super) struct StandingAgent {
    bus: Connection,
    agent: Agent,
    is_default: bool,
}

impl StandingAgent {
    /// Registers the agent, if it is not yet. To be repeated with [`Self::renew`] when bluetoothd has been started anew.
    pub(super) async fn register(bus: &Connection) -> zbus::Result<Self> {
        // The object must be there before BlueZ learns of it.
        let standing = Self { bus: bus.clone(), agent: export(bus).await?, is_default: false };
        let mut holders = standing.agent.holders.lock().await;
        enlist(bus).await?;
        *holders += 1;
        drop(holders);
        Ok(standing)
    }

    /// Registers the agent with a bluetoothd that may not know it.
    pub(super) async fn renew(&self) -> zbus::Result<()> {
        let _unchanged = self.agent.holders.lock().await;
        enlist(&self.bus).await
    }

    /// Has BlueZ ask this agent before any other, also about what is not of this connection's doing: a pairing that the watch
    /// starts.
    pub(super) async fn become_default(&mut self) -> zbus::Result<()> {
        let manager = AgentManagerProxy::new(&self.bus).await?;
        self.is_default = true;
        bus::promptly(manager.request_default_agent(&AGENT_PATH)).await
    }

    /// Lets one device pair; see [`Agent::open`].
    pub(super) fn open(&self, device: OwnedObjectPath, desk: PairingDesk) -> Option<Window> {
        self.agent.open(device, desk)
    }

    /// Lets go of the agent. Who else holds it keeps it, but not as the default if this one made it so.
    pub(super) async fn release(self) {
        let mut holders = self.agent.holders.lock().await;
        *holders = holders.saturating_sub(1);
        if let Err(error) = dismiss(&self.bus, *holders, self.is_default).await {
            tracing::debug!(%error, "The pairing agent could not be put back into its place.");
        }
    }
}

/// The agent of this connection.
pub(super) async fn export(bus: &Connection) -> zbus::Result<Agent> {
    let objects = bus.object_server();
    // Handed back if there is one already, which is then the one that counts.
    let _surplus = objects.at(AGENT_PATH, Agent::default()).await?;
    let agent = objects.interface::<_, Agent>(AGENT_PATH).await?;
    let agent = agent.get().await;
    Ok(agent.clone())
}

async fn enlist(bus: &Connection) -> zbus::Result<()> {
    let manager = AgentManagerProxy::new(bus).await?;
    match bus::promptly(manager.register_agent(&AGENT_PATH, CAPABILITY)).await {
        Err(error) if bus::bluez_error(&error) == Some("AlreadyExists") => Ok(()),
        registered => registered,
    }
}

/// There is no other way to give the place of the default agent back than to leave and to come again.
async fn dismiss(bus: &Connection, holders: usize, is_default: bool) -> zbus::Result<()> {
    if holders > 0 && !is_default {
        return Ok(());
    }
    let manager = AgentManagerProxy::new(bus).await?;
    let unregistered = bus::promptly(manager.unregister_agent(&AGENT_PATH)).await;
    if holders > 0 { enlist(bus).await } else { unregistered }
}
