//! What a hostile host can send to a watch: control and time writes, in any order, between notifications of any size.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use nowbridge::wire::bridge::{
    Boot, BridgeDevice, Capabilities, DeviceId, ErrorCode, Info, LogId, LogStore, Seq, TimeReading,
    TimeSetting, TimeSource,
};

/// A log of 64 blocks of ten bytes.
struct Store {
    acked: Seq,
}

impl LogStore for Store {
    fn info(&self) -> Info {
        Info {
            major: 1,
            minor: 0,
            device_id: DeviceId([7; 16]),
            log_id: LogId(1),
            boot: Boot(1),
            tail: Seq(1),
            head: Seq(64),
            acked: self.acked,
            ticks_ms: 1,
            caps: Capabilities::SYNTHETIC,
            max_credit: u16::MAX,
        }
    }

    fn block(&mut self, from: Seq) -> Result<Option<(Seq, Bytes)>, ErrorCode> {
        Ok((from.0 <= 64).then(|| (from.max(Seq(1)), Bytes::from_static(b"0123456789"))))
    }

    fn acked(&mut self, through: Seq) {
        assert!(through <= Seq(64), "a host cannot acknowledge what there is not");
        self.acked = through;
    }

    fn flush(&mut self) -> Result<(), ErrorCode> {
        Ok(())
    }

    fn time(&self) -> TimeReading {
        TimeReading { boot: Boot(1), ticks_us: 1, utc_us: 0, source: TimeSource::Unknown, uncertainty_ms: 0 }
    }

    fn set_time(&mut self, _: TimeSetting) {}

    fn live(&mut self, _: u32) -> Option<Bytes> {
        None
    }
}

fuzz_target!(|writes: Vec<(bool, u8, Vec<u8>)>| {
    let mut device = BridgeDevice::new(Store { acked: Seq(0) });
    for (time, room, value) in &writes {
        let _ = if *time { device.write_time(value) } else { device.write_control(value) };
        for _ in 0..8 {
            let room = usize::from(*room).max(20);
            let Some((_, notification)) = device.next_notification(room) else { break };
            assert!(notification.len() <= room);
        }
    }
});
