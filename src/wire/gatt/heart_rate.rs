//! Heart Rate Measurement: `u8 flags | u8 or u16 bpm | [u16 energy] | [u16 R-R …]`.

use super::GattError;
use super::fields::{Fields, bit};

const NAME: &str = "heart rate measurement";
const KNOWN: u8 = 0x1F;
/// No heart beats faster; a number above it is a fault.
const MOST_BPM: u16 = 400;

/// What a sensor knows of its contact with the skin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// It cannot tell.
    Unsupported,
    /// There is none.
    Lost,
    /// There is.
    Good,
}

/// A measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartRate {
    /// Beats a minute; `None` for 0 and 255, which several products send while they have no reading.
    pub bpm: Option<u16>,
    /// Contact with the skin.
    pub contact: Contact,
    /// Energy expended since the counter was reset, kJ.
    pub energy_kj: Option<u16>,
    /// R-R intervals in 1/1024 s, oldest first. Each comes once.
    pub intervals: Vec<u16>,
}

impl HeartRate {
    /// Reads a notification.
    pub fn decode(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of(NAME, value);
        let flags = fields.flags(KNOWN)?;
        let bpm = if bit(flags, 0) { fields.u16("heart rate")? } else { fields.u8("heart rate")?.into() };
        if bpm > MOST_BPM {
            return Err(fields.out_of_range("heart rate", bpm));
        }
        let contact = match (flags >> 1) & 0b11 {
            0b10 => Contact::Lost,
            0b11 => Contact::Good,
            _ => Contact::Unsupported,
        };
        let energy_kj = fields.if_set(bit(flags, 3), |fields| fields.u16("energy expended"))?;
        let mut intervals = Vec::new();
        while bit(flags, 4) && !fields.is_empty() {
            intervals.push(fields.u16("R-R interval")?);
        }
        fields.end()?;
        Ok(Self { bpm: Some(bpm).filter(|bpm| !matches!(bpm, 0 | 255)), contact, energy_kj, intervals })
    }

    /// Writes a notification in its shortest form.
    pub fn encode(&self) -> Vec<u8> {
        let bpm = self.bpm.unwrap_or(0);
        let contact = match self.contact {
            Contact::Unsupported => 0b000,
            Contact::Lost => 0b100,
            Contact::Good => 0b110,
        };
        let wide = u8::from(bpm > 254);
        let (energy, intervals) = (u8::from(self.energy_kj.is_some()), u8::from(!self.intervals.is_empty()));
        let mut value = vec![wide | contact | energy << 3 | intervals << 4];
        value.extend(&bpm.to_le_bytes()[..=usize::from(wide)]);
        value.extend(self.energy_kj.iter().flat_map(|energy| energy.to_le_bytes()));
        value.extend(self.intervals.iter().flat_map(|interval| interval.to_le_bytes()));
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(value: &[u8]) -> String {
        HeartRate::decode(value).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(refused(&[0xE0, 72]), "heart rate measurement: reserved flag bits 0xe0");
        assert_eq!(
            refused(&[]),
            "heart rate measurement: truncated: 0 bytes where 1 are needed for the flags"
        );
        assert_eq!(
            refused(&[0x08, 72, 1]),
            "heart rate measurement: truncated: 3 bytes where 4 are needed for the energy expended"
        );
        assert_eq!(
            refused(&[0x10, 72, 0, 4, 0]),
            "heart rate measurement: truncated: 5 bytes where 6 are needed for the R-R interval"
        );
        assert_eq!(
            refused(&[0x00, 72, 0, 4]),
            "heart rate measurement: oversized: 2 bytes after the heart rate"
        );
    }

    #[test]
    fn no_reading_is_no_value() {
        for value in [&[0, 0][..], &[0, 255], &[1, 0, 0], &[6, 0]] {
            assert_eq!(HeartRate::decode(value).unwrap().bpm, None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn a_measurement_survives_the_trip(
            bpm in prop_oneof![Just(None), (1_u16..=400).prop_map(Some)],
            contact in prop_oneof![Just(Contact::Unsupported), Just(Contact::Lost), Just(Contact::Good)],
            energy_kj in any::<Option<u16>>(),
            intervals in proptest::collection::vec(any::<u16>(), 0..9),
        ) {
            let measured = HeartRate { bpm: bpm.filter(|bpm| *bpm != 255), contact, energy_kj, intervals };
            prop_assert_eq!(HeartRate::decode(&measured.encode()), Ok(measured));
        }
    }
}
