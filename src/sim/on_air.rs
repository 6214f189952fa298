//! Puts a simulated watch on the virtual air: the bridge service as GATT characteristics.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::watch::{PowerCut, SimWatch};
use crate::radio::air::{Advertisement, AttError, Doorbell, Peripheral, Presence};
use crate::wire::bridge::{BridgeDevice, CONTROL, Channel, DATA, INFO, SERVICE, TIME};

/// ATT's "application error" for a value that the service cannot read.
const APPLICATION_ERROR: AttError = AttError(0x80);
/// Bytes of a notification that are not its value.
const ATT_HEADER: usize = 3;

/// A watch on the air. Clones are the same watch: one is placed on the air, others record into it, cut its power, or read
/// its ledger.
#[derive(Clone)]
pub struct WatchOnAir(Arc<Mutex<State>>);

struct State {
    device: BridgeDevice<SimWatch>,
    /// Bytes that fit a notification.
    room: usize,
    connected: bool,
    silent: bool,
    doorbell: Doorbell,
}

impl WatchOnAir {
    /// Wraps a watch.
    pub fn new(watch: SimWatch) -> Self {
        Self(Arc::new(Mutex::new(State {
            device: BridgeDevice::new(watch),
            room: 20,
            connected: false,
            silent: false,
            doorbell: Doorbell::default(),
        })))
    }

    /// Looks at the watch, or does something to it.
    pub fn with<T>(&self, act: impl FnOnce(&mut SimWatch) -> T) -> T {
        let mut state = self.lock();
        let result = act(state.device.store_mut());
        state.doorbell.ring();
        result
    }

    /// Takes the battery out and puts it back: the link, if any, falls silent.
    pub fn power_cut(&self, rng: &mut fastrand::Rng) -> PowerCut {
        let mut state = self.lock();
        let cut = state.device.store_mut().power_cut(rng);
        state.device.disconnected();
        state.silent = state.connected;
        state.doorbell.ring();
        cut
    }

    /// No code panics while it holds the lock; a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, after the watch has recorded what is due by now.
    fn caught_up(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.device.store_mut().catch_up();
        state
    }
}

impl fmt::Debug for WatchOnAir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchOnAir").field(&self.lock().device.store().device_id()).finish()
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
        if self.lock().silent { Presence::Silent } else { Presence::Here }
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.lock().doorbell = doorbell;
    }

    fn wake_at(&self) -> Option<Instant> {
        let wait = self.lock().device.store_mut().catch_up()?;
        Some(Instant::now() + wait)
    }

    fn connected(&mut self, mtu: u16) {
        let mut state = self.lock();
        state.room = usize::from(mtu).saturating_sub(ATT_HEADER);
        state.connected = true;
    }

    fn disconnected(&mut self) {
        let mut state = self.lock();
        state.device.disconnected();
        (state.connected, state.silent) = (false, false);
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        if [CONTROL, DATA].contains(&characteristic) { Ok(()) } else { Err(AttError::REQUEST_NOT_SUPPORTED) }
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        let state = self.caught_up();
        match characteristic {
            INFO => Ok(state.device.read_info()),
            TIME => Ok(state.device.read_time()),
            _ => Err(AttError::READ_NOT_PERMITTED),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        let mut state = self.caught_up();
        let taken = match characteristic {
            CONTROL => state.device.write_control(value),
            TIME => state.device.write_time(value),
            _ => return Err(AttError::WRITE_NOT_PERMITTED),
        };
        taken.map_err(|_refused| APPLICATION_ERROR)
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        let mut state = self.lock();
        let room = state.room;
        let (channel, value) = state.device.next_notification(room)?;
        let characteristic = match channel {
            Channel::Control => CONTROL,
            Channel::Data => DATA,
        };
        Some((characteristic, value))
    }
}
