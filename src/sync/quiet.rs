//! Hours of the day in which a watch is left alone.
//!
//! They are hours of the local clock. Each beginning and each end is a moment, worked out in the time zone for the day that it falls
//! on, so that the nights on which clocks change are shorter or longer like every other night of the sleeper.

use jiff::civil::{Date, Time};
use jiff::tz::{Disambiguation, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::measurement::UtcMicros;

/// Quiet hours of every day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    to: Time,
    zone: TimeZone,
}

impl QuietHours {
    /// From one hour to another of the clocks in `zone`, over midnight if `to` is not later than `from`.
    pub const fn new(from: Time, to: Time, zone: TimeZone) -> Self {
        Self { from, to, zone }
    }

    /// Whether it is quiet at `now`: until when.
    pub fn until(&self, now: UtcMicros) -> Option<UtcMicros> {
        self.nights(now).into_iter().find(|(from, to)| (*from..*to).contains(&now)).map(|(_, to)| to)
    }

    /// When it turns quiet after `now`.
    pub fn next(&self, now: UtcMicros) -> Option<UtcMicros> {
        self.nights(now).into_iter().map(|(from, _)| from).filter(|from| *from > now).min()
    }

    /// The quiet hours that begin the day before, on the day of, and the day after `now`. Where a clock shows an hour twice it is
    /// quiet in both.
    fn nights(&self, now: UtcMicros) -> Vec<(UtcMicros, UtcMicros)> {
        let Ok(now) = Timestamp::from_microsecond(now.0) else { return Vec::new() };
        let today = now.to_zoned(self.zone.clone()).date();
        let days = [today.yesterday().ok(), Some(today), today.tomorrow().ok()];
        days.into_iter().flatten().filter_map(|day| self.night(day)).collect()
    }

    fn night(&self, day: Date) -> Option<(UtcMicros, UtcMicros)> {
        let last = if self.to > self.from { day } else { day.checked_add(1.day()).ok()? };
        let at = |date: Date, time: Time, twice: Disambiguation| {
            let moment = self.zone.to_ambiguous_timestamp(date.to_datetime(time)).disambiguate(twice).ok()?;
            Some(UtcMicros(moment.as_microsecond()))
        };
        Some((at(day, self.from, Disambiguation::Compatible)?, at(last, self.to, Disambiguation::Later)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcMicros {
        UtcMicros(text.parse::<Timestamp>().unwrap().as_microsecond())
    }

    fn hours(from: i8, to: i8) -> QuietHours {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        QuietHours::new(Time::constant(from, 0, 0, 0), Time::constant(to, 0, 0, 0), zone)
    }

    #[test]
    fn a_night_goes_over_midnight() {
        let quiet = hours(23, 7);
        for (now, until) in [
            ("2025-11-22T21:59:59Z", None),
            ("2025-11-22T22:00:00Z", Some("2025-11-23T06:00:00Z")),
            ("2025-11-23T05:59:59Z", Some("2025-11-23T06:00:00Z")),
            ("2025-11-23T06:00:00Z", None),
        ] {
            assert_eq!(quiet.until(at(now)), until.map(at), "{now}");
        }
        assert_eq!(quiet.next(at("2025-11-22T22:00:00Z")), Some(at("2025-11-23T22:00:00Z")));
        assert_eq!(quiet.next(at("2025-11-22T21:00:00Z")), Some(at("2025-11-22T22:00:00Z")));
    }

    #[test]
    fn the_nights_of_a_clock_change_are_shorter_and_longer() {
        let quiet = hours(23, 7);
        let spring = at("2025-03-29T22:00:00Z");
        assert_eq!(quiet.until(spring), Some(at("2025-03-30T05:00:00Z")), "7 h");
        let autumn = at("2025-10-25T21:00:00Z");
        assert_eq!(quiet.until(autumn), Some(at("2025-10-26T06:00:00Z")), "9 h");
    }

    #[test]
    fn an_hour_that_comes_twice_is_quiet_twice_and_one_that_does_not_come_moves() {
        let quiet = hours(2, 3);
        // 02:30 comes at 00:30 and at 01:30 UTC.
        assert_eq!(quiet.until(at("2025-10-26T00:00:00Z")), Some(at("2025-10-26T02:00:00Z")));
        assert_eq!(quiet.until(at("2025-10-26T01:30:00Z")), Some(at("2025-10-26T02:00:00Z")));
        // Nothing is between two and three in the night of spring: it is short, and nothing else suffers.
        assert_eq!(quiet.until(at("2025-03-30T01:30:00Z")), None);
        assert_eq!(quiet.until(at("2025-03-31T00:30:00Z")), Some(at("2025-03-31T01:00:00Z")));
    }
}
