//! Temperature Measurement and Intermediate Temperature: `u8 flags | FLOAT | [date-time] | [u8 type]`.

use super::fields::{Fields, bit};
use super::float::medfloat32;
use super::{DateTime, GattError};

const NAME: &str = "temperature measurement";
const KNOWN: u8 = 0x07;
/// What a thermometer for people or rooms can show, °C. Beyond it the number is a fault.
const POSSIBLE: std::ops::RangeInclusive<f64> = -90.0..=150.0;

/// Where on the body a temperature is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySite(pub u8);

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperature {
    /// In °C, whatever unit it was sent in; `None` if the thermometer has no reading.
    pub celsius: Option<f64>,
    /// When, by the thermometer's own clock.
    pub at: Option<DateTime>,
    /// Where on the body.
    pub site: Option<BodySite>,
}

impl BodySite {
    /// In words; `None` for a number that is not assigned.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "armpit",
            2 => "body",
            3 => "ear",
            4 => "finger",
            5 => "gastrointestinal tract",
            6 => "mouth",
            7 => "rectum",
            8 => "toe",
            9 => "eardrum",
            _ => return None,
        })
    }
}

impl Temperature {
    /// Reads an indication or a notification.
    pub fn decode(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of(NAME, value);
        let flags = fields.flags(KNOWN)?;
        let number = medfloat32(fields.take("temperature")?);
        let celsius = if bit(flags, 0) { number.map(|degrees| (degrees - 32.0) / 1.8) } else { number };
        if let Some(degrees) = celsius.filter(|degrees| !POSSIBLE.contains(degrees)) {
            return Err(fields.out_of_range("temperature", degrees as i64));
        }
        let at = fields.if_set(bit(flags, 1), DateTime::read)?.flatten();
        let site = fields.if_set(bit(flags, 2), |fields| fields.u8("temperature type"))?.map(BodySite);
        fields.end()?;
        Ok(Self { celsius, at, site })
    }

    /// In hundredths of a degree Celsius.
    pub fn centi_celsius(&self) -> Option<i32> {
        self.celsius.map(|degrees| (degrees * 100.0).round() as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fahrenheit_becomes_celsius() {
        // 98.6 °F
        let measured = Temperature::decode(&[0x01, 0xDA, 0x03, 0x00, 0xFF]).unwrap();
        assert_eq!(measured.centi_celsius(), Some(3_700));
    }

    #[test]
    fn date_and_type_follow_the_number() {
        let value = [0x06, 0x6C, 0x01, 0x00, 0xFF, 0xE9, 0x07, 0x0B, 0x16, 0x10, 0x00, 0x00, 0x06];
        let measured = Temperature::decode(&value).unwrap();
        let at = measured.at.unwrap();
        assert_eq!((at.year, at.month, at.day, at.hour), (2025, 11, 22, 16));
        assert_eq!(measured.site.and_then(BodySite::name), Some("mouth"));
    }

    #[test]
    fn no_reading_is_no_value_and_an_impossible_one_an_error() {
        assert_eq!(Temperature::decode(&[0, 0xFF, 0xFF, 0x7F, 0]).unwrap().celsius, None);
        let refused = |value: &[u8]| Temperature::decode(value).unwrap_err().to_string();
        assert_eq!(
            refused(&[0, 0xE8, 0x03, 0, 0]),
            "temperature measurement: temperature 1000 is out of range"
        );
        assert_eq!(refused(&[0x08, 0, 0, 0, 0]), "temperature measurement: reserved flag bits 0x08");
        assert_eq!(
            refused(&[0x02, 0x6C, 0x01]),
            "temperature measurement: truncated: 3 bytes where 5 are needed for the temperature"
        );
    }
}
