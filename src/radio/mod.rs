//! The seam to Bluetooth LE: a [`Central`] finds and connects, a [`Link`] reads, writes and listens.
//!
//! Nothing above this room knows whether the air is real. Implementations keep three promises: every call ends within
//! [`CALL_DEADLINE`] (a radio that hangs must not hang its caller), a closed link ends its notifications, and no error is
//! told by its text: [`RadioError::is_transient`] decides.

mod none;
mod notifications;
mod uuids;

#[cfg(feature = "sim")]
pub mod air;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use none::NoRadio;
pub use notifications::{NotificationSink, Notifications};
pub use uuids::sig;

/// No single call to a radio may take longer. BlueZ itself gives up on a connect or a write after 30 s; we want to be the
/// one that names what happened.
pub const CALL_DEADLINE: Duration = Duration::from_secs(20);

/// Where a watch is reached: a radio address as the adapter prints it (`E7:12:0A:…`). Not an identity: a watch is keyed by
/// the device id that it tells over GATT.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerAddress(pub String);

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
}

/// How a characteristic is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteMode {
    /// The peer confirms.
    WithResponse,
    /// Fire and forget; may be lost without a word.
    WithoutResponse,
}

/// Why a link is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum LinkClosed {
    /// Nothing heard for the supervision timeout: out of range, or the watch lost power.
    #[error("the watch went out of range or lost power")]
    Lost,
    /// The watch closed the link.
    #[error("the watch closed the link")]
    ByPeer,
    /// We closed it.
    #[error("closed from this side")]
    ByHost,
    /// The adapter or the Bluetooth service went away.
    #[error("the Bluetooth adapter or service went away")]
    RadioGone,
}

/// What can go wrong between the host and a watch.
#[derive(Debug, thiserror::Error)]
pub enum RadioError {
    /// There is no usable adapter.
    #[error("no Bluetooth adapter is ready: {0}")]
    NotReady(String),
    /// The watch does not answer a connect: away, off, or connected to another host.
    #[error("{0} does not answer; it may be away, off, or connected to another phone")]
    NotFound(PeerAddress),
    /// The link is closed.
    #[error("the link is gone: {0}")]
    Closed(#[from] LinkClosed),
    /// No answer within [`CALL_DEADLINE`].
    #[error("no answer to {0} within {seconds} s", seconds = CALL_DEADLINE.as_secs())]
    Timeout(&'static str),
    /// The peer has no such characteristic.
    #[error("the watch has no characteristic {0}")]
    NoCharacteristic(Uuid),
    /// The peer refused with an ATT error code (Bluetooth Core, Vol 3, Part F, 3.4.1.1).
    #[error("the watch refused with ATT error {code:#04x}")]
    Refused {
        /// The ATT error code.
        code: u8,
    },
    /// The adapter or its service reported something else.
    #[error("Bluetooth: {0}")]
    Other(String),
}

impl RadioError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub const fn is_transient(&self) -> bool {
        !matches!(self, Self::NoCharacteristic(_) | Self::Refused { .. })
    }
}

/// A Bluetooth adapter that can find and connect watches.
pub trait Central: Clone + Send + Sync + 'static {
    /// What a connection is.
    type Link: Link;

    /// Listens for `window` and returns every peer heard, each once.
    fn scan(&self, window: Duration) -> impl Future<Output = Result<Vec<Sighting>, RadioError>> + Send;

    /// Connects and discovers services.
    fn connect(&self, peer: &PeerAddress) -> impl Future<Output = Result<Self::Link, RadioError>> + Send;
}

/// An open connection to one watch. Dropping it disconnects.
pub trait Link: Send + Sync + 'static {
    /// The characteristics that discovery found.
    fn characteristics(&self) -> Vec<Uuid>;

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

    /// Waits until the link is closed and says why. Cancel-safe; may be called more than once.
    fn closed(&self) -> impl Future<Output = LinkClosed> + Send;

    /// Closes the link. Closing a closed link is a no-op.
    fn disconnect(&self) -> impl Future<Output = ()> + Send;
}
