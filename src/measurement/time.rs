//! Instants as the domain knows them: microseconds from the host, seconds and days for the API. All UTC.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

const SECONDS_PER_DAY: i64 = 86_400;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcMicros(pub i64);

/// Whole seconds since 1970-01-01T00:00:00Z: the API's `datetime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

/// A UTC day, written `2022-02-07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i32);

/// A text that is not a day, or an instant so far off that no calendar has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a day; write it as YYYY-MM-DD")]
pub struct DayError(pub String);

impl UtcMicros {
    /// The second this instant falls in (rounded down, also before 1970).
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.div_euclid(1_000_000))
    }

    /// Whole milliseconds since 1970 (rounded down).
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Signed microseconds from `earlier` to `self`.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for UtcMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.millis()) {
            Ok(timestamp) => write!(f, "{timestamp:.0}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

impl UnixSeconds {
    /// The UTC day that holds this second.
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(SECONDS_PER_DAY) as i32)
    }

    /// Seconds after UTC midnight, 0–86,399: the key of the API's value map.
    pub const fn second_of_day(self) -> u32 {
        self.0.rem_euclid(SECONDS_PER_DAY) as u32
    }
}

impl Day {
    /// The day `number` days after 1970-01-01.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The instant `second_of_day` seconds after this day's midnight.
    pub const fn at(self, second_of_day: u32) -> UnixSeconds {
        UnixSeconds(self.0 as i64 * SECONDS_PER_DAY + second_of_day as i64)
    }

    /// The day after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight = jiff::Timestamp::from_second(self.at(0).0).map_err(|_| fmt::Error)?;
        midnight.to_zoned(jiff::tz::TimeZone::UTC).date().fmt(f)
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let date: Date = text.parse().map_err(|_| DayError(text.to_owned()))?;
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| DayError(text.to_owned()))?;
        Ok(UnixSeconds(zoned.timestamp().as_second()).day())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_example_falls_on_new_year_midnight() {
        let second = UnixSeconds(1_672_531_200);
        assert_eq!((second.day().to_string().as_str(), second.second_of_day()), ("2023-01-01", 0));
        assert_eq!("2023-01-01".parse::<Day>().unwrap().at(1), UnixSeconds(1_672_531_201));
    }

    #[test]
    fn before_1970_rounds_down() {
        assert_eq!(UtcMicros(-1).seconds(), UnixSeconds(-1));
        assert_eq!(UnixSeconds(-1).second_of_day(), 86_399);
        assert_eq!(UnixSeconds(-1).day().to_string(), "1969-12-31");
    }

    #[test]
    fn nonsense_is_not_a_day() {
        assert!("20230101x".parse::<Day>().is_err());
        assert!("2023-02-30".parse::<Day>().unwrap_err().to_string().contains("YYYY-MM-DD"));
    }

    proptest! {
        #[test]
        fn day_and_second_identify_the_instant(seconds in -2_000_000_000_i64..8_000_000_000) {
            let instant = UnixSeconds(seconds);
            prop_assert_eq!(instant.day().at(instant.second_of_day()), instant);
            prop_assert_eq!(instant.day().to_string().parse::<Day>().unwrap(), instant.day());
        }
    }
}
