//! Dates and the clock of a device: always *local* time, and only Local Time Information says of which zone.

use jiff::civil;
use jiff::tz::TimeZone;

use super::GattError;
use super::fields::Fields;
use crate::measurement::UtcMicros;

const CURRENT: &str = "current time";
const LOCAL: &str = "local time information";
/// Somebody has set the clock on purpose: an external reference.
const ADJUSTED_BY_REFERENCE: u8 = 0b10;
const QUARTER_HOUR_S: i32 = 15 * 60;

/// A date and a time of day, without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// 1582–9999.
    pub year: u16,
    /// 1–12.
    pub month: u8,
    /// 1–31.
    pub day: u8,
    /// 0–23.
    pub hour: u8,
    /// 0–59.
    pub minute: u8,
    /// 0–59.
    pub second: u8,
}

/// The clock of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentTime {
    /// What it shows.
    pub at: DateTime,
    /// 1 Monday … 7 Sunday, 0 unknown.
    pub weekday: u8,
    /// 1/256 s.
    pub fraction: u8,
    /// Why it was last set; a bit set.
    pub reason: u8,
}

/// The zone of a device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// East of UTC, in quarters of an hour, without daylight saving; −128 unknown.
    pub zone: i8,
    /// Daylight saving, in quarters of an hour; 255 unknown.
    pub daylight_saving: u8,
}

impl DateTime {
    /// Takes seven bytes; `None` where year, month or day are 0, "not known".
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Option<Self>, GattError> {
        let [y0, y1, month, day, hour, minute, second] = fields.take("date and time")?;
        let at = Self { year: u16::from_le_bytes([y0, y1]), month, day, hour, minute, second };
        if at.year == 0 || month == 0 || day == 0 {
            return Ok(None);
        }
        if at.civil().is_none() {
            return Err(fields.out_of_range("date and time", at.digits()));
        }
        Ok(Some(at))
    }

    /// Reads a date-time that is all of `value`.
    pub fn decode(value: &[u8]) -> Result<Option<Self>, GattError> {
        let mut fields = Fields::of("date-time", value);
        let at = Self::read(&mut fields)?;
        fields.end()?;
        Ok(at)
    }

    /// Its seven bytes.
    pub fn encode(self) -> [u8; 7] {
        let [y0, y1] = self.year.to_le_bytes();
        [y0, y1, self.month, self.day, self.hour, self.minute, self.second]
    }

    /// The instant, if the clock stands in `zone`.
    pub fn utc(self, zone: &TimeZone) -> Option<UtcMicros> {
        let zoned = self.civil()?.to_zoned(zone.clone()).ok()?;
        Some(UtcMicros(zoned.timestamp().as_microsecond()))
    }

    fn civil(self) -> Option<civil::DateTime> {
        if self.year < 1582 {
            return None;
        }
        let [month, day, hour, minute, second] =
            [self.month, self.day, self.hour, self.minute, self.second].map(u8::cast_signed);
        civil::DateTime::new(self.year.cast_signed(), month, day, hour, minute, second, 0).ok()
    }

    /// Readable in an error: 20251122160000.
    fn digits(self) -> i64 {
        [self.month, self.day, self.hour, self.minute, self.second]
            .iter()
            .fold(self.year.into(), |digits, &part| digits * 100 + i64::from(part))
    }
}

impl CurrentTime {
    /// What a clock in `zone` shows at `now`. `None` for an instant that no calendar has.
    pub fn at(now: UtcMicros, zone: &TimeZone) -> Option<Self> {
        let there = jiff::Timestamp::from_microsecond(now.0).ok()?.to_zoned(zone.clone());
        let part = |value: i8| value.cast_unsigned();
        let at = DateTime {
            year: there.year().cast_unsigned(),
            month: part(there.month()),
            day: part(there.day()),
            hour: part(there.hour()),
            minute: part(there.minute()),
            second: part(there.second()),
        };
        let fraction = (i64::from(there.subsec_nanosecond()) * 256 / 1_000_000_000) as u8;
        let weekday = part(there.weekday().to_monday_one_offset());
        Some(Self { at, weekday, fraction, reason: ADJUSTED_BY_REFERENCE })
    }

    /// Its ten bytes.
    pub fn encode(self) -> Vec<u8> {
        let mut value = self.at.encode().to_vec();
        value.extend([self.weekday, self.fraction, self.reason]);
        value
    }

    /// Reads the characteristic. `None` if the clock does not know the date.
    pub fn decode(value: &[u8]) -> Result<Option<Self>, GattError> {
        let mut fields = Fields::of(CURRENT, value);
        let at = DateTime::read(&mut fields)?;
        let weekday = fields.u8("day of week")?;
        if weekday > 7 {
            return Err(fields.out_of_range("day of week", weekday));
        }
        let (fraction, reason) = (fields.u8("fraction of a second")?, fields.u8("adjust reason")?);
        fields.end()?;
        Ok(at.map(|at| Self { at, weekday, fraction, reason }))
    }
}

impl LocalTime {
    /// What holds in `zone` at `now`.
    pub fn at(now: UtcMicros, zone: &TimeZone) -> Option<Self> {
        let info = zone.to_offset_info(jiff::Timestamp::from_microsecond(now.0).ok()?);
        // Nearly everywhere an hour; where it is not, the sum is right all the same.
        let daylight_saving: u8 = if info.dst().is_dst() { 4 } else { 0 };
        let quarters = info.offset().seconds().div_euclid(QUARTER_HOUR_S) - i32::from(daylight_saving);
        Some(Self { zone: i8::try_from(quarters).ok()?, daylight_saving })
    }

    /// Its two bytes.
    pub fn encode(self) -> Vec<u8> {
        vec![self.zone.cast_unsigned(), self.daylight_saving]
    }

    /// Reads the characteristic.
    pub fn decode(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of(LOCAL, value);
        let zone = fields.u8("time zone")?.cast_signed();
        if zone != i8::MIN && !(-48..=56).contains(&zone) {
            return Err(fields.out_of_range("time zone", zone));
        }
        let daylight_saving = fields.u8("DST offset")?;
        if !matches!(daylight_saving, 0 | 2 | 4 | 8 | 255) {
            return Err(fields.out_of_range("DST offset", daylight_saving));
        }
        fields.end()?;
        Ok(Self { zone, daylight_saving })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2025-11-22 16:00:00.5 UTC, a Saturday.
    const NOW: UtcMicros = UtcMicros(1_763_827_200_500_000);

    #[test]
    fn a_clock_shows_local_time() {
        let east = TimeZone::fixed(jiff::tz::Offset::constant(2));
        let shown = CurrentTime::at(NOW, &east).unwrap();
        assert_eq!((shown.at.hour, shown.weekday, shown.fraction), (18, 6, 0x80));
        assert_eq!(shown.at.utc(&east), Some(UtcMicros(1_763_827_200_000_000)));
        assert_eq!(LocalTime::at(NOW, &east), Some(LocalTime { zone: 8, daylight_saving: 0 }));
    }

    #[test]
    fn summer_time_is_told_apart_from_the_zone() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let summer = UtcMicros(NOW.0 - 150 * 86_400_000_000);
        assert_eq!(LocalTime::at(summer, &zone), Some(LocalTime { zone: 4, daylight_saving: 4 }));
        assert_eq!(LocalTime::at(NOW, &zone), Some(LocalTime { zone: 4, daylight_saving: 0 }));
    }

    #[test]
    fn a_date_that_is_not_known_or_does_not_exist() {
        assert_eq!(DateTime::decode(&[0; 7]), Ok(None));
        let refused = DateTime::decode(&[0xE9, 0x07, 2, 30, 0, 0, 0]).unwrap_err().to_string();
        assert_eq!(refused, "date-time: date and time 20250230000000 is out of range");
    }

    proptest! {
        #[test]
        fn what_a_clock_shows_survives_the_trip(now in 0_i64..8_000_000_000_000_000, hours in -12_i8..=14) {
            let zone = TimeZone::fixed(jiff::tz::Offset::from_hours(hours).unwrap());
            let shown = CurrentTime::at(UtcMicros(now), &zone).unwrap();
            prop_assert_eq!(CurrentTime::decode(&shown.encode()), Ok(Some(shown)));
            prop_assert_eq!(shown.at.utc(&zone).unwrap().seconds(), UtcMicros(now).seconds());
            let local = LocalTime::at(UtcMicros(now), &zone).unwrap();
            prop_assert_eq!(LocalTime::decode(&local.encode()), Ok(local));
        }
    }
}
