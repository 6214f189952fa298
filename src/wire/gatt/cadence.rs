//! Running and cycling: RSC Measurement tells a cadence, CSC Measurement counts revolutions and stamps the last of them.

use super::GattError;
use super::fields::{Fields, bit};

const RUNNING: &str = "RSC measurement";
const CYCLING: &str = "CSC measurement";
/// Ticks of an event time in a minute.
const TICKS_PER_MINUTE: u64 = 60 * 1024;

/// What a foot pod tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningCadence {
    /// Speed, 1/256 m/s.
    pub speed: u16,
    /// Cadence, 1/min.
    pub cadence: u8,
    /// Length of a stride, cm.
    pub stride_cm: Option<u16>,
    /// Distance, 1/10 m.
    pub distance_dm: Option<u32>,
    /// Running rather than walking.
    pub running: bool,
}

/// Revolutions so far, and when the last of them was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revolutions {
    /// How many.
    pub count: u32,
    /// When, 1/1024 s; begins anew every 64 s.
    pub event: u16,
}

/// What a bicycle tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CyclingCadence {
    /// Of the wheel.
    pub wheel: Option<Revolutions>,
    /// Of the crank. The count has 16 bits.
    pub crank: Option<Revolutions>,
}

impl RunningCadence {
    /// Reads a notification.
    pub fn decode(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of(RUNNING, value);
        let flags = fields.flags(0x07)?;
        let measured = Self {
            speed: fields.u16("speed")?,
            cadence: fields.u8("cadence")?,
            stride_cm: fields.if_set(bit(flags, 0), |fields| fields.u16("stride length"))?,
            distance_dm: fields.if_set(bit(flags, 1), |fields| fields.u32("distance"))?,
            running: bit(flags, 2),
        };
        fields.end()?;
        Ok(measured)
    }
}

impl CyclingCadence {
    /// Reads a notification.
    pub fn decode(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of(CYCLING, value);
        let flags = fields.flags(0x03)?;
        let wheel = fields.if_set(bit(flags, 0), |fields| {
            Ok(Revolutions {
                count: fields.u32("wheel revolutions")?,
                event: fields.u16("wheel event time")?,
            })
        })?;
        let crank = fields.if_set(bit(flags, 1), |fields| {
            let count = fields.u16("crank revolutions")?.into();
            Ok(Revolutions { count, event: fields.u16("crank event time")? })
        })?;
        fields.end()?;
        Ok(Self { wheel, crank })
    }
}

impl Revolutions {
    /// Revolutions a minute of the crank since `before`, rounded; `None` if there was none. Counter and time may have begun anew
    /// in between, once: less than 64 s must have passed.
    pub fn crank_rate_since(self, before: Self) -> Option<u32> {
        let turns = (self.count as u16).wrapping_sub(before.count as u16);
        self.rate(turns.into(), before)
    }

    /// The same for the wheel, whose counter is wider.
    pub fn wheel_rate_since(self, before: Self) -> Option<u32> {
        self.rate(self.count.wrapping_sub(before.count), before)
    }

    fn rate(self, turns: u32, before: Self) -> Option<u32> {
        let ticks = u64::from(self.event.wrapping_sub(before.event));
        if turns == 0 || ticks == 0 {
            return None;
        }
        let rate = (u64::from(turns) * TICKS_PER_MINUTE + ticks / 2) / ticks;
        Some(u32::try_from(rate).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crank_and_clock_may_begin_anew() {
        let before = Revolutions { count: 0xFFFF, event: 0xFE00 };
        // Two turns in 1.5 s.
        let after = Revolutions { count: 1, event: 0xFE00_u16.wrapping_add(1_536) };
        assert_eq!(after.crank_rate_since(before), Some(80));
        assert_eq!(before.crank_rate_since(before), None);
        assert_eq!(after.wheel_rate_since(Revolutions { count: u32::MAX, ..before }), Some(80));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |value: &[u8]| CyclingCadence::decode(value).unwrap_err().to_string();
        assert_eq!(refused(&[0x82, 1, 0, 0, 4]), "CSC measurement: reserved flag bits 0x80");
        assert_eq!(
            refused(&[0x02, 1, 0, 0]),
            "CSC measurement: truncated: 4 bytes where 5 are needed for the crank event time"
        );
        let refused = |value: &[u8]| RunningCadence::decode(value).unwrap_err().to_string();
        assert_eq!(refused(&[0, 0, 2, 80, 1]), "RSC measurement: oversized: 1 bytes after the cadence");
    }
}
