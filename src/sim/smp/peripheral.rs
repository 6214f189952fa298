//! A watch on the virtual air that takes updates: the SMP service beside the bridge service, and what both tell of the firmware.

use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::faults::NewImage;
use super::served::SmpWatch;
use crate::radio::air::{Advertisement, AttError, Doorbell, Peripheral, Presence};
use crate::sim::WatchOnAir;
use crate::wire::gatt;
use crate::wire::smp::{CHARACTERISTIC, SERVICE};

/// "Unlikely error": what a firmware says that does not work.
const UNWELL: AttError = AttError(0x0E);

/// A bridge watch that takes updates. A restart of its firmware is one of the whole watch: the bridge service begins another
/// boot, with the history that is in its flash.
#[derive(Debug)]
pub struct Updatable<B = WatchOnAir> {
    bridge: B,
    smp: SmpWatch,
}

impl<B: Peripheral> Updatable<B> {
    /// Joins the two sides. `bridge` is what is put on the air of `watch`: itself, or something around it.
    pub fn new(bridge: B, watch: WatchOnAir, smp: SmpWatch) -> Self {
        smp.joins(watch);
        Self { bridge, smp }
    }

    fn is_mute(&self) -> bool {
        self.smp.lock().device.behaviour() == NewImage::Mute
    }
}

impl<B: Peripheral> Peripheral for Updatable<B> {
    fn advertisement(&self) -> Option<Advertisement> {
        if !self.smp.lock().is_up() {
            return None;
        }
        let mut advertisement = self.bridge.advertisement()?;
        if self.smp.lock().offers_smp() {
            advertisement.services.push(SERVICE);
        }
        Some(advertisement)
    }

    fn characteristics(&self) -> Vec<Uuid> {
        let mut all = self.bridge.characteristics();
        all.extend([gatt::FIRMWARE, gatt::BATTERY_LEVEL]);
        if self.smp.lock().offers_smp() {
            all.push(CHARACTERISTIC);
        }
        all
    }

    fn presence(&self) -> Presence {
        let firmware = self.smp.lock().presence();
        if firmware == Presence::Here { self.bridge.presence() } else { firmware }
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.smp.lock().doorbell = doorbell.clone();
        self.bridge.take_doorbell(doorbell);
    }

    fn wake_at(&self) -> Option<Instant> {
        let firmware = self.smp.lock().wake_at();
        [firmware, self.bridge.wake_at()].into_iter().flatten().min()
    }

    fn connected(&mut self, mtu: u16) {
        self.smp.lock().connected(mtu);
        self.bridge.connected(mtu);
    }

    fn disconnected(&mut self) {
        self.smp.lock().disconnected();
        self.bridge.disconnected();
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        match characteristic {
            CHARACTERISTIC => {
                self.smp.lock().subscribe();
                Ok(())
            }
            _ if self.is_mute() => Err(UNWELL),
            _ => self.bridge.subscribe(characteristic),
        }
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        match characteristic {
            CHARACTERISTIC => Err(AttError::READ_NOT_PERMITTED),
            gatt::FIRMWARE => Ok(self.smp.lock().told_version().into_bytes()),
            gatt::BATTERY_LEVEL => Ok(vec![self.smp.lock().battery]),
            _ if self.is_mute() => Err(UNWELL),
            _ => self.bridge.read(characteristic),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        match characteristic {
            CHARACTERISTIC => {
                self.smp.lock().write(value);
                Ok(())
            }
            gatt::FIRMWARE | gatt::BATTERY_LEVEL => Err(AttError::WRITE_NOT_PERMITTED),
            _ if self.is_mute() => Err(UNWELL),
            _ => self.bridge.write(characteristic, value),
        }
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        let firmware = self.smp.lock().notify();
        firmware.map(|value| (CHARACTERISTIC, value)).or_else(|| self.bridge.notify())
    }
}
