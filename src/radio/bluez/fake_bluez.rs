//! As much of BlueZ as a pairing sees: told what to answer, it writes down what it was asked.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, DBusError, ObjectPath, OwnedObjectPath, OwnedVariant, Variant, interface};

use super::test_bus::{TestBus, within};

pub(super) const ADAPTER: &str = "/org/bluez/hci0";
/// The device of the watch E7:12:0A:00:00:01.
pub(super) const WATCH: ObjectPath<'static> =
    ObjectPath::from_static_str_unchecked("/org/bluez/hci0/dev_E7_12_0A_00_00_01");

/// What BlueZ says no with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DBusError)]
#[zbus(prefix = "org.bluez.Error")]
pub(super) enum No {
    AlreadyExists,
    AuthenticationCanceled,
    AuthenticationFailed,
    AuthenticationRejected,
    AuthenticationTimeout,
    ConnectionAttemptFailed,
    DoesNotExist,
    Failed,
    InProgress,
    NotReady,
}

/// How the watch behaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// It is never heard.
    Away,
    /// It pairs if the agent of whoever pairs agrees.
    Agrees,
    /// It pairs, and the agent is asked nothing.
    JustWorks,
    /// It is connected to, and then nothing more happens until the pairing is called off.
    Hangs,
    /// `Pair` ends so.
    Says(No),
    /// `Pair` ends with "already exists": the watch was faster.
    WasFaster,
}

/// A scripted BlueZ.
pub(super) struct FakeBluez {
    connection: Connection,
    hub: Hub,
    calls: mpsc::UnboundedReceiver<String>,
}

type Agent = (String, OwnedObjectPath);

#[derive(Clone)]
struct Hub {
    calls: mpsc::UnboundedSender<String>,
    manner: watch::Sender<Manner>,
    agent: watch::Sender<Option<Agent>>,
    paired: watch::Sender<bool>,
    heard: watch::Sender<bool>,
    called_off: Arc<Notify>,
}

struct Root(Hub);
struct Manager(Hub);
struct Adapter(Hub);
struct Device(Hub);

impl FakeBluez {
    pub(super) async fn on(bus: &TestBus, manner: Manner) -> Self {
        let (told, calls) = mpsc::unbounded_channel();
        let hub = Hub {
            calls: told,
            manner: watch::Sender::new(manner),
            agent: watch::Sender::new(None),
            paired: watch::Sender::new(false),
            heard: watch::Sender::new(false),
            called_off: Arc::default(),
        };
        let serving = bus.builder().name("org.bluez").serve_at("/", Root(hub.clone()));
        let serving = serving.serve_at("/org/bluez", Manager(hub.clone()));
        let serving = serving.serve_at(ADAPTER, Adapter(hub.clone())).serve_at(WATCH, Device(hub.clone()));
        Self { connection: within(serving.build()).await.unwrap(), hub, calls }
    }

    /// From now on the watch behaves like this.
    pub(super) fn behaves(&self, manner: Manner) {
        self.hub.manner.send_replace(manner);
        self.hub.paired.send_replace(false);
    }

    /// It leaves the bus without a word.
    pub(super) async fn die(&self) {
        self.connection.clone().close().await.unwrap();
    }

    /// The next call that reached BlueZ.
    pub(super) async fn next_call(&mut self) -> String {
        within(self.calls.recv()).await.unwrap()
    }

    /// The calls up to and including this one.
    pub(super) async fn calls_until(&mut self, last: &str) -> Vec<String> {
        let mut calls = Vec::new();
        while calls.last().is_none_or(|call| call != last) {
            calls.push(self.next_call().await);
        }
        calls
    }

    /// What else was called until now.
    pub(super) fn other_calls(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.calls.try_recv().ok()).collect()
    }

    /// Asks the registered agent whether this device may pair.
    pub(super) async fn asks_about(&self, device: &ObjectPath<'_>) -> bool {
        self.hub.agent_agrees(&self.connection, device).await
    }
}

impl Hub {
    fn note(&self, call: impl Into<String>) {
        let _ = self.calls.send(call.into());
    }

    async fn agent_agrees(&self, connection: &Connection, device: &ObjectPath<'_>) -> bool {
        let Some((owner, path)) = self.agent.borrow().clone() else { return false };
        let interface = Some("org.bluez.Agent1");
        let asked = connection.call_method(Some(owner), path, interface, "RequestAuthorization", device);
        asked.await.is_ok()
    }
}

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Root {
    fn get_managed_objects(
        &self,
    ) -> HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>> {
        let heard = self.0.heard.borrow().then(|| (WATCH.into(), HashMap::new()));
        heard.into_iter().collect()
    }

    #[zbus(signal)]
    async fn interfaces_added(
        emitter: &SignalEmitter<'_>,
        object_path: ObjectPath<'_>,
        interfaces: HashMap<&str, HashMap<&str, Variant<'_>>>,
    ) -> zbus::Result<()>;
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a D-Bus interface")]
#[interface(name = "org.bluez.AgentManager1")]
impl Manager {
    fn register_agent(
        &self,
        path: OwnedObjectPath,
        capability: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), No> {
        self.0.note(format!("RegisterAgent {capability}"));
        let agent = (header.sender().unwrap().to_string(), path);
        match self.0.agent.send_replace(Some(agent)) {
            None => Ok(()),
            Some(_) => Err(No::AlreadyExists),
        }
    }

    fn unregister_agent(&self, path: OwnedObjectPath) -> Result<(), No> {
        self.0.note("UnregisterAgent");
        let known = self.0.agent.send_replace(None).is_some_and(|(_, registered)| registered == path);
        if known { Ok(()) } else { Err(No::DoesNotExist) }
    }

    fn request_default_agent(&self, path: OwnedObjectPath) -> Result<(), No> {
        self.0.note("RequestDefaultAgent");
        let known = self.0.agent.borrow().as_ref().is_some_and(|(_, registered)| *registered == path);
        if known { Ok(()) } else { Err(No::DoesNotExist) }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a D-Bus interface")]
#[interface(name = "org.bluez.Adapter1")]
impl Adapter {
    fn set_discovery_filter(&self, filter: HashMap<String, OwnedVariant>) {
        let transport: &str = filter["Transport"].downcast_ref().unwrap();
        self.0.note(format!("SetDiscoveryFilter {transport}"));
    }

    async fn start_discovery(&self, #[zbus(connection)] connection: &Connection) {
        self.0.note("StartDiscovery");
        let other = ObjectPath::from_static_str_unchecked("/org/bluez/hci0/dev_E7_12_0A_00_00_09");
        let emitter = SignalEmitter::new(connection, "/").unwrap();
        Root::interfaces_added(&emitter, other, HashMap::new()).await.unwrap();
        if !matches!(*self.0.manner.borrow(), Manner::Away) {
            Root::interfaces_added(&emitter, WATCH, HashMap::new()).await.unwrap();
            self.0.heard.send_replace(true);
        }
    }

    fn stop_discovery(&self) {
        self.0.note("StopDiscovery");
    }

    fn remove_device(&self, device: OwnedObjectPath) -> Result<(), No> {
        self.0.note("RemoveDevice");
        let known = device.as_str() == WATCH.as_str() && self.0.heard.send_replace(false);
        self.0.paired.send_replace(false);
        if known { Ok(()) } else { Err(No::DoesNotExist) }
    }
}

#[expect(clippy::unused_self, reason = "the shape of a D-Bus interface")]
#[interface(name = "org.bluez.Device1")]
impl Device {
    async fn pair(&self, #[zbus(connection)] connection: &Connection) -> Result<(), No> {
        let called_off = self.0.called_off.notified();
        self.0.note("Pair");
        let manner = *self.0.manner.borrow();
        match manner {
            Manner::Away => return Err(No::ConnectionAttemptFailed),
            Manner::Says(no) => return Err(no),
            Manner::Hangs => {
                called_off.await;
                return Err(No::AuthenticationCanceled);
            }
            Manner::Agrees if !self.0.agent_agrees(connection, &WATCH).await => {
                return Err(No::AuthenticationFailed);
            }
            Manner::Agrees | Manner::JustWorks | Manner::WasFaster => {}
        }
        self.0.paired.send_replace(true);
        if matches!(manner, Manner::WasFaster) { Err(No::AlreadyExists) } else { Ok(()) }
    }

    fn cancel_pairing(&self) {
        self.0.note("CancelPairing");
        self.0.called_off.notify_waiters();
    }

    fn disconnect(&self) {
        self.0.note("Disconnect");
    }

    #[zbus(property)]
    fn connected(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn paired(&self) -> bool {
        *self.0.paired.borrow()
    }

    #[zbus(property)]
    fn trusted(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn set_trusted(&self, trusted: bool) {
        self.0.note(format!("Trusted {trusted}"));
    }
}
