//! Pairing with a watch, from this side.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use zbus::fdo::{InterfacesAddedStream, ObjectManagerProxy};
use zbus::{Connection, ObjectPath, OwnedObjectPath, Variant};

use super::address::device_path;
use super::agent::Window;
use super::bus::{self, AdapterProxy, BLUEZ, DeviceProxy};
use super::standing::StandingAgent;
use crate::radio::{PairingDesk, PeerAddress, RadioError, RadioTrouble};

/// How long a watch that BlueZ does not know is looked for. Many advertise only every few seconds when nobody touches them.
const FIND_DEADLINE: Duration = Duration::from_secs(30);
/// How long `Pair` may take: BlueZ connects for up to 30 s, gives a person 60 s to answer, and discovers services.
const PAIR_DEADLINE: Duration = Duration::from_mins(2);
/// How long a person may take to say that it was the right watch. BlueZ gives as long for its own questions.
const CONFIRM_DEADLINE: Duration = Duration::from_mins(1);

/// Why a pairing failed that somebody here said no to.
const DECLINED: &str = "it was declined here";

/// Pairs and bonds with the watch, asking at `desk` what must be asked. If the caller stops waiting, the pairing is called off.
/// The connection must not end method calls before [`PAIR_DEADLINE`].
pub(super) async fn pair(
    bus: &Connection,
    adapter: &OwnedObjectPath,
    peer: &PeerAddress,
    desk: PairingDesk,
) -> Result<(), RadioError> {
    let called_off = CancellationToken::new();
    let _caller = called_off.clone().drop_guard();
    let pairing = Pairing { bus: bus.clone(), adapter: adapter.clone(), peer: peer.clone(), called_off };
    // In a task of its own, since BlueZ would go on pairing without a caller. The task ends soon after its caller: each step of
    // it has a deadline, and those that wait for the watch or for a person end when the pairing is called off.
    let ended = tokio::spawn(pairing.run(desk)).await;
    ended.unwrap_or_else(|error| Err(RadioError::Other(format!("pairing broke off: {error}"))))
}

struct Pairing {
    bus: Connection,
    adapter: OwnedObjectPath,
    peer: PeerAddress,
    called_off: CancellationToken,
}

/// Why a wait ended before what was waited for.
enum Stopped {
    CalledOff,
    TooLong,
}

impl Pairing {
    async fn run(self, desk: PairingDesk) -> Result<(), RadioError> {
        let path = device_path(self.adapter.as_str(), &self.peer).and_then(|path| path.try_into().ok());
        let Some(path): Option<OwnedObjectPath> = path else {
            return Err(RadioError::Other(format!("\"{}\" is not a Bluetooth address", self.peer)));
        };
        let mut agent = StandingAgent::register(&self.bus).await.map_err(|error| self.explain(&error))?;
        let outcome = match agent.open(path.clone(), desk) {
            Some(window) => self.within_window(&mut agent, &window, path).await,
            None => Err(RadioError::Busy("another watch is being paired".to_owned())),
        };
        agent.release().await;
        outcome
    }

    async fn within_window(
        &self,
        agent: &mut StandingAgent,
        window: &Window,
        path: OwnedObjectPath,
    ) -> Result<(), RadioError> {
        agent.become_default().await.map_err(|error| self.explain(&error))?;
        self.find(&path).await?;
        let device = bus::device(&self.bus, path.clone()).await.map_err(|error| self.explain(&error))?;
        if !bus::promptly(device.paired()).await.map_err(|error| self.explain(&error))? {
            self.bond(&device).await.map_err(|error| match error {
                RadioError::PairingFailed { .. } if window.was_declined() => self.failed(DECLINED),
                other => other,
            })?;
            self.confirm(window, &path).await?;
        }
        // Without it BlueZ would ask the agent each time that the watch wants to use a service of this host.
        if let Err(error) = bus::promptly(device.set_trusted(true)).await {
            tracing::warn!(peer = %self.peer, %error, "The watch is paired but could not be marked as trusted.");
        }
        Ok(())
    }

    /// Waits until BlueZ knows the device, which it must before it can pair.
    async fn find(&self, device: &OwnedObjectPath) -> Result<(), RadioError> {
        let explain = |error: zbus::Error| self.explain(&error);
        let manager = ObjectManagerProxy::builder(&self.bus).destination(BLUEZ).path("/").build().await;
        // From here on no news is missed, so that one look afterwards is enough.
        let manager = manager.map_err(explain)?;
        let added = bus::promptly(manager.receive_interfaces_added()).await.map_err(explain)?;
        if bus::promptly(bus::objects(&self.bus)).await.map_err(explain)?.contains_key(device) {
            return Ok(());
        }
        let adapter = bus::adapter(&self.bus, self.adapter.clone()).await.map_err(explain)?;
        let appeared = match start_discovery(&adapter).await {
            Ok(()) => self.wait(FIND_DEADLINE, appears(device, added)).await,
            Err(error) => Ok(Err(error)),
        };
        // BlueZ pairs badly while it looks around, and looks around until it is told to stop.
        if let Err(error) = bus::promptly(adapter.stop_discovery()).await {
            tracing::debug!(%error, "Discovery could not be stopped.");
        }
        match appeared {
            Ok(found) => found.map_err(explain),
            Err(Stopped::TooLong) => Err(RadioError::NotFound(self.peer.clone())),
            Err(Stopped::CalledOff) => Err(self.failed("it was called off")),
        }
    }

    async fn bond(&self, device: &DeviceProxy<'_>) -> Result<(), RadioError> {
        let was_connected = bus::promptly(device.connected()).await.unwrap_or(false);
        let stopped = match self.wait(PAIR_DEADLINE, device.pair()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if bus::bluez_error(&error) == Some("AlreadyExists") => {
                let paired = bus::promptly(device.paired()).await.map_err(|error| self.explain(&error))?;
                return if paired { Ok(()) } else { Err(RadioError::StaleBond(self.peer.clone())) };
            }
            Ok(Err(error)) => return Err(self.explain(&error)),
            Err(stopped) => stopped,
        };
        call_off(device, was_connected).await;
        let reason = match stopped {
            Stopped::CalledOff => "it was called off",
            Stopped::TooLong => "it took too long; wake the watch, keep it close, and try again",
        };
        // BlueZ may have bonded just before it heard of the end; nobody has said yes to that.
        match bus::promptly(device.paired()).await {
            Ok(true) => Err(self.withdraw(device.inner().path(), reason).await),
            _ => Err(self.failed(reason)),
        }
    }

    /// A bond is kept only if a person has said yes: to a question of BlueZ or, where it had none, to ours.
    async fn confirm(&self, window: &Window, device: &OwnedObjectPath) -> Result<(), RadioError> {
        let reason = match self.wait(CONFIRM_DEADLINE, window.confirm(device)).await {
            Ok(true) => return Ok(()),
            Ok(false) => DECLINED,
            Err(Stopped::CalledOff) => "it was called off",
            Err(Stopped::TooLong) => "nobody here said yes to it in time; try again",
        };
        Err(self.withdraw(device, reason).await)
    }

    /// Removes a bond that nobody has said yes to, and says how the pairing ended.
    async fn withdraw(&self, device: &ObjectPath<'_>, reason: &str) -> RadioError {
        let removed = async {
            let adapter = bus::adapter(&self.bus, self.adapter.clone()).await?;
            bus::promptly(adapter.remove_device(device)).await
        };
        match removed.await {
            Err(error) if bus::bluez_error(&error) != Some("DoesNotExist") => self
                .failed(&format!("{reason}, but the bond could not be removed ({error}); unpair the watch")),
            _ => self.failed(reason),
        }
    }

    /// Waits for something that depends on the watch or on a person. What can be had at once is had, even if called off.
    async fn wait<T>(&self, limit: Duration, what: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            done = timeout(limit, what) => done.map_err(|_| Stopped::TooLong),
            () = self.called_off.cancelled() => Err(Stopped::CalledOff),
        }
    }

    /// What BlueZ's error means to whoever wanted to pair. It tells less than one would like: a watch that is away and one that
    /// hangs up are both `Failed`.
    fn explain(&self, error: &zbus::Error) -> RadioError {
        if bus::is_unserved(error) {
            let detail = "the Bluetooth service is not running; start it with `systemctl start bluetooth`";
            return RadioError::NotReady(RadioTrouble::NoService { detail: detail.to_owned() });
        }
        match bus::bluez_error(error) {
            Some("InProgress") => RadioError::Busy(error.to_string()),
            Some("NotReady") => RadioError::NotReady(RadioTrouble::AdapterOff),
            Some("AuthenticationFailed") => {
                self.failed("the watch did not accept the keys; check the digits, or let it forget this computer")
            }
            Some("AuthenticationRejected") => {
                self.failed("the watch refused; put it into its pairing mode and try again")
            }
            Some("AuthenticationCanceled") => {
                self.failed("it was broken off by the watch or for it; keep it close and try again")
            }
            Some("AuthenticationTimeout") => {
                self.failed("the watch or a person did not answer in time; try again")
            }
            Some("ConnectionAttemptFailed" | "Failed") => self.failed(
                "no connection could be made; wake the watch, bring it close, and disconnect it from other phones",
            ),
            _ => RadioError::Other(format!("pairing with {}: {error}", self.peer)),
        }
    }

    fn failed(&self, reason: &str) -> RadioError {
        RadioError::PairingFailed { peer: self.peer.clone(), reason: reason.to_owned() }
    }
}

/// Waits for the news that BlueZ has heard the device.
async fn appears(device: &OwnedObjectPath, mut added: InterfacesAddedStream) -> zbus::Result<()> {
    while let Some(news) = added.next().await {
        if news.args()?.object_path == **device {
            return Ok(());
        }
    }
    Err(zbus::Error::Failure("the connection to the message bus ended".to_owned()))
}

async fn start_discovery(adapter: &AdapterProxy<'_>) -> zbus::Result<()> {
    let only_low_energy = HashMap::from([("Transport", Variant::from("le"))]);
    bus::promptly(adapter.set_discovery_filter(only_low_energy)).await?;
    bus::promptly(adapter.start_discovery()).await
}

/// Ends a pairing that is under way. Only to be called for a watch that had no bond before: where BlueZ is not pairing, it takes
/// this for a wish to remove the bond.
async fn call_off(device: &DeviceProxy<'_>, was_connected: bool) {
    if let Err(error) = bus::promptly(device.cancel_pairing()).await {
        tracing::debug!(%error, "The pairing could not be called off.");
    }
    // BlueZ would go on connecting, and answer every later wish with "in progress".
    if !was_connected && let Err(error) = bus::promptly(device.disconnect()).await {
        tracing::debug!(%error, "The watch could not be disconnected.");
    }
}

#[cfg(test)]
mod tests;
