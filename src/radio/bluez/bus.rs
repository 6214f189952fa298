//! The parts of BlueZ's and logind's D-Bus interfaces that are used here (org.bluez: doc/org.bluez.*.rst of BlueZ; login1: the
//! org.freedesktop.login1 manual page).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use zbus::{Connection, ObjectPath, OwnedFd, OwnedObjectPath, Variant, proxy};

/// The well-known name of the Bluetooth service.
pub(super) const BLUEZ: &str = "org.bluez";
/// How long a call may take that waits for nothing but the service itself: no radio, no person.
pub(super) const STEP_DEADLINE: Duration = Duration::from_secs(5);

/// An adapter.
#[proxy(interface = "org.bluez.Adapter1", default_service = "org.bluez")]
pub(super) trait Adapter {
    fn start_discovery(&self) -> zbus::Result<()>;
    fn stop_discovery(&self) -> zbus::Result<()>;
    fn set_discovery_filter(&self, filter: HashMap<&str, Variant<'_>>) -> zbus::Result<()>;
    /// Removes a device with all that is known of it, its bond too.
    fn remove_device(&self, device: &ObjectPath<'_>) -> zbus::Result<()>;
    #[zbus(property)]
    fn address(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn powered(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn set_powered(&self, on: bool) -> zbus::Result<()>;
    /// `on`, `off`, `off-enabling`, `on-disabling` or `off-blocked` (rfkill); since BlueZ 5.65.
    #[zbus(property)]
    fn power_state(&self) -> zbus::Result<String>;
}

/// A device that an adapter has heard or is bonded with.
#[proxy(interface = "org.bluez.Device1", default_service = "org.bluez")]
pub(super) trait Device {
    fn connect(&self) -> zbus::Result<()>;
    fn disconnect(&self) -> zbus::Result<()>;
    fn pair(&self) -> zbus::Result<()>;
    fn cancel_pairing(&self) -> zbus::Result<()>;
    #[zbus(property)]
    fn connected(&self) -> zbus::Result<bool>;
    /// Whether its services have been discovered.
    #[zbus(property)]
    fn services_resolved(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn paired(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn set_trusted(&self, trusted: bool) -> zbus::Result<()>;
}

/// Where agents are registered.
#[proxy(interface = "org.bluez.AgentManager1", default_service = "org.bluez", default_path = "/org/bluez")]
pub(super) trait AgentManager {
    fn register_agent(&self, agent: &ObjectPath<'_>, capability: &str) -> zbus::Result<()>;
    fn unregister_agent(&self, agent: &ObjectPath<'_>) -> zbus::Result<()>;
    fn request_default_agent(&self, agent: &ObjectPath<'_>) -> zbus::Result<()>;
}

/// logind, which tells of suspend and resume.
#[proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
pub(super) trait LoginManager {
    /// Holds suspend back while the descriptor is open.
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;
    #[zbus(signal)]
    fn prepare_for_sleep(&self, start: bool) -> zbus::Result<()>;
}

/// Everything that BlueZ shows, by path and interface.
pub(super) async fn objects(bus: &Connection) -> zbus::Result<zbus::fdo::ManagedObjects> {
    let manager = zbus::fdo::ObjectManagerProxy::builder(bus).destination(BLUEZ).path("/").build().await?;
    Ok(manager.get_managed_objects().await?)
}

/// The device at `path`.
pub(super) async fn device(bus: &Connection, path: OwnedObjectPath) -> zbus::Result<DeviceProxy<'static>> {
    // Properties change behind our back when the service dies; each is asked for when it is needed.
    DeviceProxy::builder(bus).path(path).cache_properties(zbus::proxy::CacheProperties::No).build().await
}

/// The adapter at `path`.
pub(super) async fn adapter(bus: &Connection, path: OwnedObjectPath) -> zbus::Result<AdapterProxy<'static>> {
    AdapterProxy::builder(bus).path(path).cache_properties(zbus::proxy::CacheProperties::No).build().await
}

/// Ends a call that a service on the bus does not answer within [`STEP_DEADLINE`].
pub(super) async fn promptly<T>(call: impl Future<Output = zbus::Result<T>>) -> zbus::Result<T> {
    let too_late = || zbus::Error::InputOutput(Arc::new(io::Error::from(io::ErrorKind::TimedOut)));
    timeout(STEP_DEADLINE, call).await.unwrap_or_else(|_| Err(too_late()))
}

/// What BlueZ calls an error: `InProgress` of `org.bluez.Error.InProgress`. `None` if it does not come from BlueZ.
pub(super) fn bluez_error(error: &zbus::Error) -> Option<&str> {
    match error {
        zbus::Error::MethodError(name, ..) => name.as_str().strip_prefix("org.bluez.Error."),
        _ => None,
    }
}

/// Whether nobody is there who could answer: the name that was called has no owner, or lost it before it answered.
pub(super) fn is_unserved(error: &zbus::Error) -> bool {
    use zbus::fdo::Error::{NameHasNoOwner, NoReply, ServiceUnknown};
    matches!(error, zbus::Error::FDO(error) if matches!(**error, ServiceUnknown(_) | NameHasNoOwner(_) | NoReply(_)))
}
