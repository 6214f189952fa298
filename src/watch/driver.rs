//! What every driver has in common.
//!
//! There are two sorts. A device with a *log* keeps numbered blocks and hands them out from a cursor: its driver has methods of its
//! own for that ([`super::Bridge`]). A device without one only says what it measures now, or answers with plain readings: its driver
//! yields [`LiveSample`]s ([`Live`]), and the host seals them into blocks under a log of its own.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::WatchError;
use crate::measurement::Quality;
use crate::radio::Link;
use crate::wire::bridge::{DeviceId, Stream};

/// Which driver. The names are what `probe` and `status` print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverName {
    /// Our own bridge service.
    Bridge,
    /// Any device with standard heart-rate, thermometer, pulse-oximeter, running or cycling services.
    Sensor,
}

/// What a device can do with its driver; a bit set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Abilities(pub u16);

impl Abilities {
    /// Hands out numbered blocks from a cursor.
    pub const LOG: Self = Self(1);
    /// Tells what it measures, when it measures it.
    pub const LIVE: Self = Self(1 << 1);
    /// Its clock can be set.
    pub const CLOCK: Self = Self(1 << 2);
    /// Tells its battery level.
    pub const BATTERY: Self = Self(1 << 3);
    /// Takes firmware.
    pub const FIRMWARE: Self = Self(1 << 4);

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Who a device says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What everything of it is filed under; `None` if it tells nothing that would tell it from its like.
    pub device: Option<DeviceId>,
    /// Who made it.
    pub maker: Option<String>,
    /// What it is.
    pub model: Option<String>,
    /// What runs on it.
    pub firmware: Option<String>,
    /// Charge of its battery, percent.
    pub battery: Option<u8>,
    /// Whether what it measures is made up or replayed.
    pub synthetic: bool,
}

/// One value that a device has told, in the stored units of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSample {
    /// What was measured.
    pub stream: Stream,
    /// When, ms before it arrived: beats of one notification are older than the notification.
    pub age_ms: u32,
    /// The value; of a beat, the interval that ended with it, ms (0: a run starts here).
    pub value: i32,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// A driver with its device.
pub trait Driver: Send + Sized {
    /// What a connection is.
    type Link: Link;

    /// Its name.
    const NAME: DriverName;

    /// Whether the device at the other end is one of its own, judged by what discovery found.
    fn fits(link: &Self::Link) -> bool;

    /// Opens the conversation.
    fn open(link: Self::Link) -> impl Future<Output = Result<Self, WatchError>> + Send;

    /// The link, to wait for its end.
    fn link(&self) -> &Self::Link;

    /// What the device can do.
    fn abilities(&self) -> Abilities;

    /// Asks the device who it is.
    fn identify(&mut self) -> impl Future<Output = Result<Identity, WatchError>> + Send;

    /// Asks for the least thing that shows that the device is still there: a link may look open long after the device has gone.
    fn check(&mut self) -> impl Future<Output = Result<(), WatchError>> + Send;

    /// Closes the link.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// A driver whose device tells what it measures.
pub trait Live: Driver {
    /// The next samples, oldest first; all of one notification. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Vec<LiveSample>, WatchError>> + Send;

    /// Notifications that could not be read so far, and were dropped.
    fn unreadable(&self) -> u64;
}
