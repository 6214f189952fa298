//! Battery Level and Battery Level Status.

use super::GattError;
use super::fields::{Fields, bit};

const LEVEL: &str = "battery level";
const STATUS: &str = "battery level status";

/// What a device tells of its battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatteryStatus {
    /// It has one.
    pub present: bool,
    /// It is being charged.
    pub charging: bool,
    /// Charge, percent.
    pub level: Option<u8>,
}

/// Reads a battery level, percent.
pub fn battery_level(value: &[u8]) -> Result<u8, GattError> {
    let mut fields = Fields::of(LEVEL, value);
    let level = percent(&mut fields)?;
    fields.end()?;
    Ok(level)
}

impl BatteryStatus {
    /// Reads the status.
    pub fn decode(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of(STATUS, value);
        let flags = fields.flags(0x07)?;
        let power = fields.u16("power state")?;
        fields.if_set(bit(flags, 0), |fields| fields.u16("identifier"))?;
        let level = fields.if_set(bit(flags, 1), percent)?;
        fields.if_set(bit(flags, 2), |fields| fields.u8("additional status"))?;
        fields.end()?;
        Ok(Self { present: power & 1 != 0, charging: (power >> 5) & 0b11 == 1, level })
    }
}

fn percent(fields: &mut Fields<'_>) -> Result<u8, GattError> {
    match fields.u8("level")? {
        level @ 0..=100 => Ok(level),
        level => Err(fields.out_of_range("level", level)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_percentage() {
        assert_eq!(battery_level(&[87]), Ok(87));
        assert_eq!(
            battery_level(&[101]).unwrap_err().to_string(),
            "battery level: level 101 is out of range"
        );
        assert!(battery_level(&[]).is_err() && battery_level(&[50, 0]).is_err());
    }

    #[test]
    fn a_battery_that_is_charged() {
        let status = BatteryStatus::decode(&[0x02, 0x23, 0x00, 80]).unwrap();
        assert_eq!(status, BatteryStatus { present: true, charging: true, level: Some(80) });
    }
}
