//! The `Retry-After` header: whole seconds, or the HTTP date of an instant (RFC 9110, 10.2.3).

use std::time::Duration;

use jiff::fmt::rfc2822;

use crate::measurement::UtcMicros;

/// No server may silence us for longer: a typing error in its configuration must not cost a watch's whole memory.
pub(super) const LONGEST: Duration = Duration::from_hours(24);

/// How long to wait, from 0 to [`LONGEST`]; `None` if the header says nothing that can be understood.
///
/// A date is compared with the server's own `Date`, so that a wrong clock on this side does no harm; `now` stands in where
/// the server sends none.
pub(crate) fn parse(header: &str, date: Option<&str>, now: UtcMicros) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are still a wait, a long one.
        return Some(Duration::from_secs(header.parse().unwrap_or(u64::MAX)).min(LONGEST));
    }
    let until = http_date(header)?;
    let from = date.and_then(http_date).unwrap_or(now.seconds().0);
    let wait = u64::try_from(until.saturating_sub(from)).unwrap_or(0);
    Some(Duration::from_secs(wait).min(LONGEST))
}

/// Unix seconds of an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`. The two obsolete forms are not understood.
fn http_date(text: &str) -> Option<i64> {
    rfc2822::parse(text.trim()).ok().map(|zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn seconds(header: &str, date: Option<&str>) -> Option<u64> {
        parse(header, date, UtcMicros(0)).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_count_as_they_are_up_to_a_day() {
        assert_eq!(seconds("120", None), Some(120));
        assert_eq!(seconds(" 0 ", None), Some(0));
        assert_eq!(seconds("86401", None), Some(86_400));
        assert_eq!(seconds("99999999999999999999999999", None), Some(86_400));
    }

    #[test]
    fn a_date_counts_from_the_servers_date_not_from_ours() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:51:37 GMT", Some(DATE)), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT", Some(DATE)), Some(0));
        assert_eq!(seconds("Thu, 31 Dec 2099 23:59:59 GMT", Some(DATE)), Some(86_400));
        let now = UtcMicros(784_111_767_000_000);
        assert_eq!(parse(DATE, None, now), Some(Duration::from_secs(10)));
        assert_eq!(parse(DATE, Some("yesterday"), now), Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_cannot_be_understood_says_nothing() {
        for garbage in ["", "soon", "-5", "1.5", "+3", "Sun, 06 Nov", "0x10"] {
            assert_eq!(seconds(garbage, Some(DATE)), None, "{garbage}");
        }
    }
}
