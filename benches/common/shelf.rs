//! A watch that costs next to nothing, on a link that costs next to nothing: blocks on a shelf, handed over the moment they are
//! asked for. What is measured through it is the host.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use nowbridge::radio::{Link, LinkClosed, NotificationSink, Notifications, RadioError, WriteMode};
use nowbridge::wire::bridge::{
    Boot, BridgeDevice, CONTROL, Capabilities, Channel, DATA, DeviceId, ErrorCode, INFO, Info, LogId,
    LogStore, MAJOR, MINOR, Seq, TIME, TimeReading, TimeSetting, TimeSource,
};
use uuid::Uuid;

/// What a notification holds at an MTU of 247.
pub const ROOM: usize = 244;
/// Ticks at which the watch is asked for the time: after everything that it has recorded.
const NOW_MS: u64 = 60 * 24 * 3_600_000;

/// Blocks from number 1 on, and nothing else that a watch has.
#[derive(Clone, Debug)]
pub struct Shelf(Vec<Bytes>);

impl Shelf {
    /// A shelf with these blocks.
    pub const fn new(blocks: Vec<Bytes>) -> Self {
        Self(blocks)
    }
}

impl LogStore for Shelf {
    fn info(&self) -> Info {
        Info {
            major: MAJOR,
            minor: MINOR,
            device_id: DeviceId([7; 16]),
            log_id: LogId(1),
            boot: Boot(1),
            tail: Seq(1),
            head: Seq(self.0.len() as u32),
            acked: Seq(0),
            ticks_ms: NOW_MS,
            caps: Capabilities::SYNTHETIC,
            max_credit: u16::MAX,
        }
    }

    fn block(&mut self, from: Seq) -> Result<Option<(Seq, Bytes)>, ErrorCode> {
        let index = from.0.saturating_sub(1) as usize;
        Ok(self.0.get(index).map(|block| (Seq(index as u32 + 1), block.clone())))
    }

    fn acked(&mut self, _through: Seq) {}

    fn flush(&mut self) -> Result<(), ErrorCode> {
        Ok(())
    }

    fn time(&self) -> TimeReading {
        TimeReading {
            boot: Boot(1),
            ticks_us: NOW_MS * 1_000,
            utc_us: 0,
            source: TimeSource::Unknown,
            uncertainty_ms: 0,
        }
    }

    fn set_time(&mut self, _setting: TimeSetting) {}

    fn live(&mut self, _mask: u32) -> Option<Bytes> {
        None
    }
}

/// A link without air: every request is answered, and everything that follows from it sent, before the call returns.
pub struct Wire(Mutex<End>);

struct End {
    device: BridgeDevice<Shelf>,
    control: Option<NotificationSink>,
    data: Option<NotificationSink>,
}

impl Wire {
    /// A link to a watch with this shelf.
    pub fn to(shelf: Shelf) -> Self {
        Self(Mutex::new(End { device: BridgeDevice::new(shelf), control: None, data: None }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut End) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl End {
    fn send_all(&mut self) {
        while let Some((channel, value)) = self.device.next_notification(ROOM) {
            let sink = match channel {
                Channel::Control => &self.control,
                Channel::Data => &self.data,
            };
            let sent = sink.as_ref().is_some_and(|sink| sink.push(value));
            assert!(sent, "a window is shorter than the queue of notifications");
        }
    }
}

impl Link for Wire {
    fn characteristics(&self) -> Vec<Uuid> {
        vec![INFO, CONTROL, DATA, TIME]
    }

    fn mtu(&self) -> u16 {
        ROOM as u16 + 3
    }

    async fn read(&self, characteristic: Uuid) -> Result<Vec<u8>, RadioError> {
        Ok(self.with(|end| match characteristic {
            TIME => end.device.read_time(),
            _ => end.device.read_info(),
        }))
    }

    async fn write(&self, characteristic: Uuid, value: Vec<u8>, _mode: WriteMode) -> Result<(), RadioError> {
        self.with(|end| {
            let done = match characteristic {
                TIME => end.device.write_time(&value),
                _ => end.device.write_control(&value),
            };
            end.send_all();
            done.map_err(|_| RadioError::Refused { code: 0x80 })
        })
    }

    async fn subscribe(&self, characteristic: Uuid) -> Result<Notifications, RadioError> {
        let (sink, notifications) = Notifications::channel();
        self.with(|end| match characteristic {
            CONTROL => end.control = Some(sink),
            _ => end.data = Some(sink),
        });
        Ok(notifications)
    }

    async fn closed(&self) -> LinkClosed {
        std::future::pending().await
    }

    async fn disconnect(&self) {}
}
