//! What the virtual air asks of whoever plays a watch.
//!
//! A peripheral is plain code without async: the air calls it in its connection events, always from one task.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

/// An ATT error code (Core, Vol 3, Part F, 3.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttError(pub u8);

impl AttError {
    /// The attribute cannot be read.
    pub const READ_NOT_PERMITTED: Self = Self(0x02);
    /// The attribute cannot be written.
    pub const WRITE_NOT_PERMITTED: Self = Self(0x03);
    /// Pair first.
    pub const INSUFFICIENT_AUTHENTICATION: Self = Self(0x05);
    /// What was asked does not exist for this attribute, notifications for example.
    pub const REQUEST_NOT_SUPPORTED: Self = Self(0x06);
    /// The value has the wrong length.
    pub const INVALID_LENGTH: Self = Self(0x0D);
    /// The value has the right length and no meaning.
    pub const VALUE_NOT_ALLOWED: Self = Self(0x13);
}

/// What a peripheral shouts while nobody is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// The advertised name.
    pub name: Option<String>,
    /// Advertised services.
    pub services: Vec<Uuid>,
}

/// Whether a peripheral's radio can be heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It answers.
    #[default]
    Here,
    /// No power, or in the middle of a reset: a link dies of the supervision timeout, as `Lost`.
    Silent,
    /// It closes the link now, as `ByPeer`. To be taken back in `disconnected`: means nothing without a link.
    HangingUp,
}

/// Tells the air that a peripheral has changed without having been called: it has a notification, or lost its power.
#[derive(Clone, Debug, Default)]
pub struct Doorbell(pub(super) Arc<Notify>);

impl Doorbell {
    /// Makes the air look at the peripheral. Rings once, however often it is pressed before the air comes.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits until it was rung; for whoever else plays the air. Cancel-safe.
    pub async fn rung(&self) {
        self.0.notified().await;
    }
}

/// The far end of a link: a watch.
///
/// While a link is idle nothing of this is called. The air looks again after every request, when the doorbell rings and at
/// [`wake_at`](Self::wake_at).
pub trait Peripheral: Send + 'static {
    /// What it advertises; `None` if it does not advertise, and then it cannot be connected either.
    fn advertisement(&self) -> Option<Advertisement>;

    /// Its characteristics.
    fn characteristics(&self) -> Vec<Uuid>;

    /// Whether it can be heard.
    fn presence(&self) -> Presence {
        Presence::Here
    }

    /// Takes the doorbell, once, when it is put on the air.
    fn take_doorbell(&mut self, _doorbell: Doorbell) {}

    /// When it will have something to say without being asked. Only looked at while subscribed.
    fn wake_at(&self) -> Option<Instant> {
        None
    }

    /// A central connected; values are at most `mtu` − 3 bytes long.
    fn connected(&mut self, _mtu: u16) {}

    /// The link is gone, whoever closed it. Subscriptions are gone with it.
    fn disconnected(&mut self) {}

    /// Notifications of a characteristic are wanted.
    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError>;

    /// A characteristic is read.
    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError>;

    /// A characteristic is written, with or without response.
    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError>;

    /// The next notification that is ready. Called until it returns `None` or the connection event is full; not called while
    /// nothing is subscribed.
    ///
    /// A value longer than the MTU allows, or of a characteristic that nobody subscribed to, is a fault of the peripheral:
    /// it takes its time on the air, is not delivered, and is counted.
    fn notify(&mut self) -> Option<(Uuid, Bytes)>;
}
