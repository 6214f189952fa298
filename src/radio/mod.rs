//! The seam to Bluetooth LE: a [`Central`] finds and connects, a [`Link`] reads, writes and listens.
//!
//! Nothing above this room knows whether the air is real. Implementations keep three promises: every call ends within
//! [`CALL_DEADLINE`] (a radio that hangs must not hang its caller), a closed link ends its notifications, and no error is
//! told by its text: [`RadioError::is_transient`] decides.

mod bonding;
mod error;
mod none;
mod notifications;
mod profile;
mod recovery;
mod state;
mod uuids;

#[cfg(feature = "sim")]
pub mod air;
pub mod bluez;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

pub use bonding::{Bond, PairingDesk, PairingPrompt};
pub use error::{LinkClosed, RadioError};
pub use none::NoRadio;
pub use notifications::{NotificationSink, Notifications};
pub use profile::{Attribute, Properties};
pub use recovery::RecoveryStep;
pub use state::{RadioState, RadioTrouble};
pub use uuids::sig;

pub use crate::wire::PeerAddress;

/// No single call to a radio may take longer. BlueZ itself gives up on a connect or a write after 30 s; we want to be the
/// one that names what happened.
pub const CALL_DEADLINE: Duration = Duration::from_secs(20);

/// A watch that was heard while scanning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Where to connect.
    pub address: PeerAddress,
    /// The advertised name, if any.
    pub name: Option<String>,
    /// Received signal strength, dBm.
    pub rssi: Option<i16>,
    /// Advertised service UUIDs.
    pub services: Vec<Uuid>,
    /// GAP appearance (Assigned Numbers, 2.6), where it is advertised. Never reason enough to pick a device.
    #[serde(default)]
    pub appearance: Option<u16>,
    /// Whether this host holds a bond with it.
    #[serde(default)]
    pub bonded: bool,
}

/// How a characteristic is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteMode {
    /// The peer confirms.
    WithResponse,
    /// Fire and forget; may be lost without a word.
    WithoutResponse,
}

/// A Bluetooth adapter that can find and connect watches.
pub trait Central: Clone + Send + Sync + 'static {
    /// What a connection is.
    type Link: Link;

    /// Listens for `window` and returns every peer heard, each once.
    fn scan(&self, window: Duration) -> impl Future<Output = Result<Vec<Sighting>, RadioError>> + Send;

    /// Connects and discovers services.
    fn connect(&self, peer: &PeerAddress) -> impl Future<Output = Result<Self::Link, RadioError>> + Send;

    /// Whether the radio can be used, and every change of it. Whoever waits for a watch may try again at once when it turns
    /// [`RadioState::Ready`].
    fn state(&self) -> watch::Receiver<RadioState>;

    /// Whether this host holds a bond with the watch.
    fn bond(&self, _peer: &PeerAddress) -> impl Future<Output = Result<Bond, RadioError>> + Send {
        std::future::ready(Ok(Bond::None))
    }

    /// Pairs and bonds. Ends when the keys are stored, when it is refused, or when its caller stops waiting: a pairing is then
    /// called off.
    fn pair(
        &self,
        _peer: &PeerAddress,
        _desk: PairingDesk,
    ) -> impl Future<Output = Result<(), RadioError>> + Send {
        std::future::ready(Err(RadioError::Unsupported("pair")))
    }

    /// Removes this host's bond with the watch. `false` if there was none.
    fn forget(&self, _peer: &PeerAddress) -> impl Future<Output = Result<bool, RadioError>> + Send {
        std::future::ready(Ok(false))
    }

    /// Takes a step to get a wedged radio going again.
    fn recover(
        &self,
        _step: RecoveryStep,
        _peer: &PeerAddress,
    ) -> impl Future<Output = Result<(), RadioError>> + Send {
        std::future::ready(Err(RadioError::Unsupported("be recovered")))
    }
}

/// An open connection to one watch. Dropping it disconnects.
pub trait Link: Send + Sync + 'static {
    /// The characteristics that discovery found.
    fn characteristics(&self) -> Vec<Uuid>;

    /// The same with all that is known of them.
    fn profile(&self) -> Vec<Attribute> {
        let plain =
            |characteristic| Attribute { service: None, characteristic, properties: Properties::default() };
        self.characteristics().into_iter().map(plain).collect()
    }

    /// The ATT MTU now; a notification or a write carries at most 3 bytes less.
    fn mtu(&self) -> u16;

    /// Reads a characteristic.
    fn read(&self, characteristic: Uuid) -> impl Future<Output = Result<Vec<u8>, RadioError>> + Send;

    /// Writes a characteristic.
    fn write(
        &self,
        characteristic: Uuid,
        value: Vec<u8>,
        mode: WriteMode,
    ) -> impl Future<Output = Result<(), RadioError>> + Send;

    /// Turns notifications on and returns them; the stream ends when the link closes.
    fn subscribe(
        &self,
        characteristic: Uuid,
    ) -> impl Future<Output = Result<Notifications, RadioError>> + Send;

    /// Turns notifications off again, for a protocol that means something by it. Otherwise the end of the link does.
    fn unsubscribe(&self, _characteristic: Uuid) -> impl Future<Output = Result<(), RadioError>> + Send {
        std::future::ready(Err(RadioError::Unsupported("turn notifications off")))
    }

    /// Waits until the link is closed and says why. Cancel-safe; may be called more than once.
    fn closed(&self) -> impl Future<Output = LinkClosed> + Send;

    /// Closes the link. Closing a closed link is a no-op.
    fn disconnect(&self) -> impl Future<Output = ()> + Send;
}

/// One link in several hands: a driver and an updater, say. It is dropped with the last of them.
impl<L: Link> Link for Arc<L> {
    fn characteristics(&self) -> Vec<Uuid> {
        (**self).characteristics()
    }

    fn profile(&self) -> Vec<Attribute> {
        (**self).profile()
    }

    fn mtu(&self) -> u16 {
        (**self).mtu()
    }

    fn read(&self, characteristic: Uuid) -> impl Future<Output = Result<Vec<u8>, RadioError>> + Send {
        (**self).read(characteristic)
    }

    fn write(
        &self,
        characteristic: Uuid,
        value: Vec<u8>,
        mode: WriteMode,
    ) -> impl Future<Output = Result<(), RadioError>> + Send {
        (**self).write(characteristic, value, mode)
    }

    fn subscribe(
        &self,
        characteristic: Uuid,
    ) -> impl Future<Output = Result<Notifications, RadioError>> + Send {
        (**self).subscribe(characteristic)
    }

    fn unsubscribe(&self, characteristic: Uuid) -> impl Future<Output = Result<(), RadioError>> + Send {
        (**self).unsubscribe(characteristic)
    }

    fn closed(&self) -> impl Future<Output = LinkClosed> + Send {
        (**self).closed()
    }

    fn disconnect(&self) -> impl Future<Output = ()> + Send {
        (**self).disconnect()
    }
}
