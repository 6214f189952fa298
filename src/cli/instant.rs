//! Instants as people write and read them: by the clock on their wall.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::config;
use crate::measurement::UtcMicros;

const EXAMPLES: &str = "\"03:12\", \"2h\", \"2026-11-22\" or \"2026-11-22T03:12\"";

/// `03:12` (the last time it was), `2h` (ago), a day, or a day and a time.
pub fn parse(text: &str, now: UtcMicros, zone: &TimeZone) -> Result<UtcMicros, String> {
    let local = |at: DateTime| {
        let at = zone.to_ambiguous_timestamp(at).compatible();
        at.map(|at| UtcMicros(at.as_microsecond())).map_err(|error| error.to_string())
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(UtcMicros(at.as_microsecond()));
    }
    // A day and a time would pass for a time, too.
    if let Ok(at) = text.parse::<DateTime>() {
        return local(at);
    }
    if let Ok(time) = text.parse::<Time>() {
        let today = zoned(now, zone).date();
        let at = local(today.to_datetime(time))?;
        let before = || today.yesterday().map_err(|error| error.to_string());
        return if at <= now { Ok(at) } else { local(before()?.to_datetime(time)) };
    }
    let ago = config::parse_duration(text)
        .map_err(|_| format!("\"{text}\" is no time to begin at; write it as {EXAMPLES}"))?;
    Ok(UtcMicros(now.0.saturating_sub(ago.as_micros() as i64)))
}

/// `Sun 2026-11-22 03:12 CET`.
pub fn at(instant: UtcMicros, zone: &TimeZone) -> String {
    zoned(instant, zone).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
}

/// `Sun 2026-11-22 03:12–05:40 CET`, or both whole if they are of two days.
pub fn range(from: UtcMicros, to: UtcMicros, zone: &TimeZone) -> String {
    let (a, b) = (zoned(from, zone), zoned(to, zone));
    let shown = |at: &jiff::Zoned| at.timestamp().as_second().div_euclid(60);
    if shown(&a) == shown(&b) {
        return at(from, zone);
    }
    let one_day = a.date() == b.date() && a.offset() == b.offset();
    if one_day {
        format!("{}–{}", a.strftime("%a %Y-%m-%d %H:%M"), b.strftime("%H:%M %Z"))
    } else {
        format!("{} – {}", at(from, zone), at(to, zone))
    }
}

fn zoned(instant: UtcMicros, zone: &TimeZone) -> jiff::Zoned {
    Timestamp::from_microsecond(instant.0).unwrap_or_default().to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_the_last_one_that_was() {
        let zone = TimeZone::get("Europe/Amsterdam").unwrap();
        // 2026-11-22T10:00 in Amsterdam.
        let now = UtcMicros(1_795_338_000_000_000);
        assert_eq!(at(now, &zone), "Sun 2026-11-22 10:00 CET");
        let read = |text: &str| at(parse(text, now, &zone).unwrap(), &zone);
        assert_eq!(read("03:12"), "Sun 2026-11-22 03:12 CET");
        assert_eq!(read("10:01"), "Sat 2026-11-21 10:01 CET");
        assert_eq!(read("2h"), "Sun 2026-11-22 08:00 CET");
        assert_eq!(read("2026-07-01T03:12"), "Wed 2026-07-01 03:12 CEST");
        assert_eq!(read("2026-11-20"), "Fri 2026-11-20 00:00 CET");
        assert_eq!(read("2026-11-22T03:12Z"), "Sun 2026-11-22 04:12 CET");
        assert!(parse("yesterday", now, &zone).unwrap_err().contains("\"03:12\""));
        let later = UtcMicros(now.0 + 3_600_000_000);
        assert_eq!(range(now, later, &zone), "Sun 2026-11-22 10:00–11:00 CET");
        let tomorrow = UtcMicros(now.0 + 24 * 3_600_000_000);
        assert_eq!(range(now, tomorrow, &zone), "Sun 2026-11-22 10:00 CET – Mon 2026-11-23 10:00 CET");
    }
}
