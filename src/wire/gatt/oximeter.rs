//! Pulse oximetry: PLX Spot-Check and PLX Continuous Measurement. Both begin `u8 flags | SFLOAT SpO2 | SFLOAT pulse` and end with
//! the same optional fields; what lies between differs.

use super::fields::{Fields, bit};
use super::float::sfloat;
use super::{DateTime, GattError};

const SPOT: &str = "PLX spot-check measurement";
const CONTINUOUS: &str = "PLX continuous measurement";
const KNOWN: u8 = 0x1F;

/// What the oximeter says of a measurement; a bit set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OximetryStatus(pub u16);

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oximetry {
    /// Oxygen saturation, percent; `None` if there is no reading.
    pub spo2: Option<f64>,
    /// Pulse, beats a minute; `None` if there is no reading.
    pub pulse: Option<f64>,
    /// When, by the oximeter's own clock, if that is set.
    pub at: Option<DateTime>,
    /// What it says of the measurement, if it says anything.
    pub status: Option<OximetryStatus>,
}

impl OximetryStatus {
    /// An early estimate.
    pub const EARLY: Self = Self(1 << 6);
    /// Validated.
    pub const VALIDATED: Self = Self(1 << 7);
    /// Fully qualified.
    pub const QUALIFIED: Self = Self(1 << 8);
    /// Taken earlier, and kept since.
    pub const FROM_STORAGE: Self = Self(1 << 9);
    /// For demonstration, for a test, or while calibrating: not of a person.
    pub const MADE_UP: Self = Self(0b111 << 10);
    /// Not available.
    pub const UNAVAILABLE: Self = Self(1 << 13);
    /// Questionable.
    pub const QUESTIONABLE: Self = Self(1 << 14);
    /// Invalid.
    pub const INVALID: Self = Self(1 << 15);

    /// Whether any bit of `other` is set.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Oximetry {
    /// Reads a spot check.
    pub fn decode_spot(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of(SPOT, value);
        let flags = fields.flags(KNOWN)?;
        let (spo2, pulse) = readings(&mut fields)?;
        let at = fields.if_set(bit(flags, 0), DateTime::read)?.flatten();
        let status = ending(&mut fields, bit(flags, 1), bit(flags, 2), bit(flags, 3))?;
        fields.end()?;
        let clock_is_set = !bit(flags, 4);
        Ok(Self { spo2, pulse, at: at.filter(|_| clock_is_set), status })
    }

    /// Reads a continuous measurement.
    pub fn decode_continuous(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of(CONTINUOUS, value);
        let flags = fields.flags(KNOWN)?;
        let (spo2, pulse) = readings(&mut fields)?;
        fields.if_set(bit(flags, 0), |fields| fields.u32("fast averages"))?;
        fields.if_set(bit(flags, 1), |fields| fields.u32("slow averages"))?;
        let status = ending(&mut fields, bit(flags, 2), bit(flags, 3), bit(flags, 4))?;
        fields.end()?;
        Ok(Self { spo2, pulse, at: None, status })
    }
}

fn readings(fields: &mut Fields<'_>) -> Result<(Option<f64>, Option<f64>), GattError> {
    let spo2 = sfloat(fields.take("SpO2")?);
    let pulse = sfloat(fields.take("pulse rate")?);
    if let Some(spo2) = spo2.filter(|spo2| !(0.0..=100.0).contains(spo2)) {
        return Err(fields.out_of_range("SpO2", spo2 as i64));
    }
    Ok((spo2, pulse))
}

fn ending(
    fields: &mut Fields<'_>,
    status: bool,
    device: bool,
    amplitude: bool,
) -> Result<Option<OximetryStatus>, GattError> {
    let status = fields.if_set(status, |fields| fields.u16("measurement status"))?;
    fields.if_set(device, |fields| fields.take::<3>("device and sensor status"))?;
    fields.if_set(amplitude, |fields| fields.u16("pulse amplitude index"))?;
    Ok(status.map(OximetryStatus))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spot_check_with_everything() {
        let value = [
            0x0F, 0x62, 0x00, 0x48, 0x00, 0xE9, 0x07, 0x0B, 0x16, 0x10, 0, 0, 0x00, 0x01, 1, 2, 3, 0x05, 0x00,
        ];
        let measured = Oximetry::decode_spot(&value).unwrap();
        assert_eq!((measured.spo2, measured.pulse), (Some(98.0), Some(72.0)));
        assert_eq!(measured.at.map(|at| at.hour), Some(16));
        assert!(measured.status.unwrap().any(OximetryStatus::QUALIFIED));
        // The same from an oximeter whose clock was never set.
        let mut unset = value;
        unset[0] |= 0x10;
        assert_eq!(Oximetry::decode_spot(&unset).unwrap().at, None);
    }

    #[test]
    fn averages_are_passed_over() {
        let value = [0x07, 0x62, 0x00, 0x48, 0x00, 1, 0, 2, 0, 3, 0, 4, 0, 0x00, 0x80];
        let measured = Oximetry::decode_continuous(&value).unwrap();
        assert!(measured.status.unwrap().any(OximetryStatus::INVALID));
        let refused = |value: &[u8]| Oximetry::decode_continuous(value).unwrap_err().to_string();
        assert_eq!(
            refused(&value[..14]),
            "PLX continuous measurement: truncated: 14 bytes where 15 are needed for the measurement status"
        );
        assert_eq!(refused(&[0, 200, 0, 72, 0]), "PLX continuous measurement: SpO2 200 is out of range");
    }

    #[test]
    fn no_reading_is_no_value() {
        let measured = Oximetry::decode_continuous(&[0, 0xFF, 0x07, 0xFF, 0x07]).unwrap();
        assert_eq!((measured.spo2, measured.pulse), (None, None));
    }
}
