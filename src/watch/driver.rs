//! What every driver has in common.
//!
//! There are two sorts. A device with a *log* keeps numbered blocks and hands them out from a cursor: its driver has methods of its
//! own for that ([`super::Bridge`]). A device without one only says what it measures now, or answers with plain readings: its driver
//! yields [`LiveSample`]s ([`Live`]), and the host seals them into blocks under a log of its own.
//!
//! Devices to come fit in like this:
//!
//! - *InfiniTime* is [`Live`]. Its heart rate notifies only when it changes, so its `next` also reads it when nothing came for half a
//!   minute; nobody outside notices. Steps come the same way. Its serial number is "0" on every unit, so `identify` tells no device and
//!   the caller files it under its address ([`DeviceId::of_address`]).
//! - *HealthyPi Move* and the *Colmi ring* keep records with dates of their own: pages from a cursor the one, days of slots the other.
//!   Such a driver gets a third trait beside `Live`: give me what is newer than this mark, and here is the next mark. The host seals its
//!   records into the same log under boot 0, which no run of the process ever takes: ticks of boot 0 are UTC itself, with two anchors
//!   that say so. The mark is stored in the transaction that stores the blocks, as a cursor is.

use std::future::Future;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::WatchError;
use crate::clock::Clock;
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
    /// Can be asked whether it is still there. Without it [`Driver::check`] has nothing to ask, and says yes.
    pub const CHECK: Self = Self(1 << 5);

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
    /// When, on the host's monotonic clock. Beats of one notification lie before its arrival; as their clock is not ours, the last of
    /// them may also lie a little after it.
    pub at: Instant,
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

    /// Asks for the least thing that shows that the device is still there: a link may look open long after the device has gone. That it
    /// refuses to answer shows it as well.
    fn check(&mut self) -> impl Future<Output = Result<(), WatchError>> + Send;

    /// Closes the link.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// A driver whose device tells what it measures.
pub trait Live: Driver {
    /// Called once before the first [`Live::next`]: sets the device's clock if it has one that can be set, and takes down the time for
    /// readings that carry a date. A device that refuses is no error.
    fn greet(&mut self, clock: Clock) -> impl Future<Output = Result<(), WatchError>> + Send;

    /// The next samples, oldest first; all of one notification, which may be none. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Vec<LiveSample>, WatchError>> + Send;

    /// Notifications that could not be read so far, and were dropped.
    fn unreadable(&self) -> u64;

    /// Notifications that were left out so far, as they came twice.
    fn repeated(&self) -> u64 {
        0
    }

    /// Charge of the battery, percent, as the device told it last.
    fn battery(&self) -> Option<u8>;
}
