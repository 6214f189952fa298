//! The simulated InfiniTime watch on the virtual air.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::service::Effect;
use super::{DfuService, Loss, Slots};
use crate::radio::air::{Advertisement, AttError, Doorbell, Peripheral, Presence};
use crate::radio::sig;
use crate::wire::dfu::{CONTROL, PACKET, REVISION, SERVICE};

const FIRMWARE: Uuid = sig(0x2A26);
/// The revision of the service that InfiniTime tells.
const REVISION_TOLD: [u8; 2] = [0x08, 0x00];
const INSUFFICIENT_AUTHORISATION: AttError = AttError(0x08);

/// A watch on the air. Clones are the same watch: one is placed on the air, others are a hand on it.
#[derive(Clone, Debug)]
pub struct InfiniTimeOnAir(Arc<Mutex<OnAir>>);

#[derive(Debug)]
struct OnAir {
    slots: Slots,
    service: DfuService,
    presence: Presence,
    connected: bool,
    subscribed: bool,
    doorbell: Doorbell,
    writes: u32,
}

impl InfiniTimeOnAir {
    /// A watch that runs and keeps this version.
    pub fn new(version: &str) -> Self {
        Self(Arc::new(Mutex::new(OnAir {
            slots: Slots::new(version),
            service: DfuService::default(),
            presence: Presence::Here,
            connected: false,
            subscribed: false,
            doorbell: Doorbell::default(),
            writes: 0,
        })))
    }

    /// Does something to its service or its slots.
    pub fn with<T>(&self, act: impl FnOnce(&mut DfuService, &mut Slots) -> T) -> T {
        let mut on_air = self.lock();
        let on_air = &mut *on_air;
        let done = act(&mut on_air.service, &mut on_air.slots);
        on_air.doorbell.ring();
        done
    }

    /// Writes so far, to either characteristic.
    pub fn writes(&self) -> u32 {
        self.lock().writes
    }

    /// A person restarts it.
    pub fn restart(&self) {
        let mut on_air = self.lock();
        on_air.restart();
        on_air.doorbell.ring();
    }

    /// No code panics while it holds the lock; a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, OnAir> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnAir {
    fn leave(&mut self, presence: Presence) {
        if self.connected {
            self.presence = presence;
        }
    }

    fn restart(&mut self) {
        self.service.restart();
        self.slots.boot();
        self.leave(Presence::Silent);
    }

    /// Whether the link is lost at this write.
    fn loss(&mut self) -> Option<Loss> {
        self.writes += 1;
        let (at, loss) = self.service.faults.lost_at?;
        (at == self.writes).then_some(loss)
    }

    fn take(&mut self, characteristic: Uuid, value: &[u8]) {
        if characteristic == PACKET {
            self.service.packet(value, &mut self.slots);
        } else if self.service.command(value, &mut self.slots) == Effect::Restart {
            self.restart();
        }
    }
}

impl Peripheral for InfiniTimeOnAir {
    fn advertisement(&self) -> Option<Advertisement> {
        Some(Advertisement { name: Some("InfiniTime".to_owned()), services: vec![SERVICE] })
    }

    fn characteristics(&self) -> Vec<Uuid> {
        vec![FIRMWARE, CONTROL, PACKET, REVISION]
    }

    fn presence(&self) -> Presence {
        self.lock().presence
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.lock().doorbell = doorbell;
    }

    fn wake_at(&self) -> Option<Instant> {
        self.lock().service.wake_at()
    }

    fn connected(&mut self, _mtu: u16) {
        self.lock().connected = true;
    }

    /// An upload is not forgotten with its link.
    fn disconnected(&mut self) {
        let mut on_air = self.lock();
        (on_air.connected, on_air.subscribed, on_air.presence) = (false, false, Presence::Here);
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        if characteristic != CONTROL {
            return Err(AttError::REQUEST_NOT_SUPPORTED);
        }
        self.lock().subscribed = true;
        Ok(())
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        let on_air = self.lock();
        match characteristic {
            FIRMWARE => Ok(on_air.slots.running.version.clone().into_bytes()),
            REVISION if on_air.service.faults.switched_off => Err(INSUFFICIENT_AUTHORISATION),
            REVISION => Ok(REVISION_TOLD.to_vec()),
            _ => Err(AttError::READ_NOT_PERMITTED),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        if characteristic != CONTROL && characteristic != PACKET {
            return Err(AttError::WRITE_NOT_PERMITTED);
        }
        let mut on_air = self.lock();
        if on_air.service.faults.switched_off {
            return Err(INSUFFICIENT_AUTHORISATION);
        }
        on_air.service.catch_up();
        let loss = on_air.loss();
        if loss != Some(Loss::Unheard) {
            on_air.take(characteristic, value);
        }
        if loss.is_some() {
            on_air.leave(Presence::Silent);
        }
        Ok(())
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        let mut on_air = self.lock();
        on_air.service.catch_up();
        let notice = on_air.service.answer()?;
        on_air.subscribed.then(|| (CONTROL, notice.encode().into()))
    }
}
