//! The watch as the bridge service sees it.

use bytes::Bytes;

use super::SimWatch;
use crate::wire::bridge::{
    Capabilities, ErrorCode, Info, LogStore, MAJOR, MINOR, Seq, TimeReading, TimeSetting, TimeSource,
};

impl LogStore for SimWatch {
    fn info(&self) -> Info {
        Info {
            major: MAJOR,
            minor: MINOR,
            device_id: self.plate.device_id,
            log_id: self.plate.log_id,
            boot: self.plate.boot,
            tail: self.ring.tail(),
            head: self.ring.head(),
            acked: self.plate.acked,
            ticks_ms: self.clock.ticks_ms(),
            caps: Capabilities::SYNTHETIC,
            max_credit: self.options.max_credit,
        }
    }

    fn block(&mut self, from: Seq) -> Result<Option<(Seq, Bytes)>, ErrorCode> {
        let found = self.ring.block(&self.flash, from)?;
        Ok(found.map(|(seq, block)| (seq, self.faults.serve(seq, block))))
    }

    fn acked(&mut self, through: Seq) {
        if through > self.plate.acked {
            self.plate.acked = through;
            self.plate.write(&mut self.flash);
        }
    }

    fn flush(&mut self) -> Result<(), ErrorCode> {
        self.seal_all();
        Ok(())
    }

    fn time(&self) -> TimeReading {
        let ticks_us = self.clock.ticks_us();
        let reading = TimeReading {
            boot: self.plate.boot,
            ticks_us,
            utc_us: 0,
            source: TimeSource::Unknown,
            uncertainty_ms: 0,
        };
        match &self.set {
            None => reading,
            Some(set) => TimeReading {
                utc_us: set.utc_us.saturating_add(ticks_us.saturating_sub(set.ticks_us)),
                source: set.source,
                uncertainty_ms: set.uncertainty_ms,
                ..reading
            },
        }
    }

    fn set_time(&mut self, setting: TimeSetting) {
        self.anchor(setting);
    }

    fn live(&mut self, mask: u32) -> Option<Bytes> {
        self.recorder.live(mask, self.plate.boot)
    }
}
