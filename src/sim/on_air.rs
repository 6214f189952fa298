//! A simulated watch on the virtual air: the bridge service as GATT characteristics.
//!
//! The air owns a peripheral and calls it from its own task, also while somebody else records, looks into the ledger or cuts
//! the power. So they share the watch behind a lock, which is never held across an await.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::watch::{PowerCut, SimWatch};
use crate::radio::air::{Advertisement, AttError, Doorbell, Peripheral, Presence};
use crate::wire::bridge::{BridgeDevice, CONTROL, Channel, DATA, INFO, Refused, Request, SERVICE, TIME};

/// Opcode and handle of a notification.
const ATT_HEADER_BYTES: u16 = 3;
/// Notifications that fill whole link-layer packets; 514 bytes, the most there is, would end in a packet of 19.
const FULL_PACKETS: [usize; 2] = [495, 244];
/// "Application error": a write that the service cannot read.
const UNREADABLE: AttError = AttError(0x80);

/// A watch on the air. Clones are the same watch: one is placed on the air, others are a hand on it.
#[derive(Clone, Debug)]
pub struct WatchOnAir(Arc<Mutex<OnAir>>);

#[derive(Debug)]
struct OnAir {
    device: BridgeDevice<SimWatch>,
    doorbell: Doorbell,
    presence: Presence,
    connected: bool,
    subscribed: BTreeSet<Uuid>,
    live: bool,
    room: usize,
}

impl WatchOnAir {
    /// Wraps a watch.
    pub fn new(watch: SimWatch) -> Self {
        Self(Arc::new(Mutex::new(OnAir {
            device: BridgeDevice::new(watch),
            doorbell: Doorbell::default(),
            presence: Presence::Here,
            connected: false,
            subscribed: BTreeSet::new(),
            live: false,
            room: 0,
        })))
    }

    /// Does something to the watch. If that reboots it, the link falls silent, as that of a real one would.
    pub fn with<T>(&self, act: impl FnOnce(&mut SimWatch) -> T) -> T {
        let mut on_air = self.lock();
        let boot = on_air.device.store().boot();
        let done = act(on_air.device.store_mut());
        if on_air.device.store().boot() != boot {
            on_air.leave(Presence::Silent);
        }
        on_air.doorbell.ring();
        done
    }

    /// Takes the battery out and puts it back.
    pub fn power_cut(&self, rng: &mut fastrand::Rng) -> PowerCut {
        self.with(|watch| watch.power_cut(rng))
    }

    /// Makes the watch close its link.
    pub fn hang_up(&self) {
        let mut on_air = self.lock();
        on_air.leave(Presence::HangingUp);
        on_air.doorbell.ring();
    }

    /// No code panics while it holds the lock; a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, OnAir> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnAir {
    /// The link ends in this way, if there is one.
    fn leave(&mut self, presence: Presence) {
        self.forget_host();
        if self.connected {
            self.presence = presence;
        }
    }

    fn forget_host(&mut self) {
        self.device.disconnected();
        self.subscribed.clear();
        self.live = false;
    }

    fn write_control(&mut self, value: &[u8]) -> Result<(), Refused> {
        self.device.write_control(value)?;
        if let Ok(Request::Live { mask, .. }) = Request::decode(value) {
            self.live = mask != 0;
        }
        Ok(())
    }
}

impl Peripheral for WatchOnAir {
    fn advertisement(&self) -> Option<Advertisement> {
        Some(Advertisement { name: Some("simulated watch".to_owned()), services: vec![SERVICE] })
    }

    fn characteristics(&self) -> Vec<Uuid> {
        vec![INFO, CONTROL, DATA, TIME]
    }

    fn presence(&self) -> Presence {
        self.lock().presence
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.lock().doorbell = doorbell;
    }

    fn wake_at(&self) -> Option<Instant> {
        let mut on_air = self.lock();
        let due = if on_air.live { on_air.device.store_mut().next_due() } else { None };
        due.map(|wait| Instant::now() + wait)
    }

    fn connected(&mut self, mtu: u16) {
        let room = usize::from(mtu.saturating_sub(ATT_HEADER_BYTES));
        let mut on_air = self.lock();
        on_air.room = FULL_PACKETS.into_iter().find(|&full| full <= room).unwrap_or(room);
        on_air.connected = true;
    }

    fn disconnected(&mut self) {
        let mut on_air = self.lock();
        on_air.forget_host();
        (on_air.connected, on_air.presence) = (false, Presence::Here);
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        if characteristic != CONTROL && characteristic != DATA {
            return Err(AttError::REQUEST_NOT_SUPPORTED);
        }
        self.lock().subscribed.insert(characteristic);
        Ok(())
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        let mut on_air = self.lock();
        on_air.device.store_mut().catch_up();
        match characteristic {
            INFO => Ok(on_air.device.read_info()),
            TIME => Ok(on_air.device.read_time()),
            _ => Err(AttError::READ_NOT_PERMITTED),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        let mut on_air = self.lock();
        on_air.device.store_mut().catch_up();
        let written = match characteristic {
            CONTROL => on_air.write_control(value),
            TIME => on_air.device.write_time(value),
            _ => return Err(AttError::WRITE_NOT_PERMITTED),
        };
        written.map_err(|Refused| UNREADABLE)
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        let mut on_air = self.lock();
        on_air.device.store_mut().catch_up();
        loop {
            let room = on_air.room;
            let (channel, value) = on_air.device.next_notification(room)?;
            let characteristic = match channel {
                Channel::Control => CONTROL,
                Channel::Data => DATA,
            };
            // What nobody listens to is not sent.
            if on_air.subscribed.contains(&characteristic) {
                return Some((characteristic, value));
            }
        }
    }
}
