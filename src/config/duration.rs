//! Durations as people write them: `90s`, `15m`, `2h`, `1d`, `1h 30m`.

use std::fmt;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use serde::de::{self, Deserializer, Visitor};

/// Shorter than this, a schedule would be a busy loop.
const SHORTEST: Duration = Duration::from_secs(1);

/// Longer than this is a slip of the pen.
const LONGEST: Duration = Duration::from_hours(24 * 366);

const EXAMPLES: &str = "\"90s\", \"15m\", \"2h\" or \"1d\"";

/// For `#[serde(deserialize_with)]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Written;

    impl Visitor<'_> for Written {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            write!(f, "a duration such as {EXAMPLES}")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            parse(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Written)
}

/// A duration from 1 second to 366 days.
pub fn parse(text: &str) -> Result<Duration, String> {
    let not_a_duration = || format!("\"{text}\" is not a duration; write it as {EXAMPLES}");
    let span: Span = text.parse().map_err(|_| not_a_duration())?;
    // A day is 24 h here: schedules know no time zone, so no day is longer for a clock change.
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| not_a_duration())?;
    match Duration::try_from(signed) {
        Ok(duration) if (SHORTEST..=LONGEST).contains(&duration) => Ok(duration),
        _ => Err(format!("\"{text}\" is out of range; it may be 1 second to 366 days")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        let seconds = |text: &str| parse(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("15m"), Ok(15 * 60));
        assert_eq!(seconds("2h"), Ok(2 * 3600));
        assert_eq!(seconds("1d"), Ok(86_400));
        assert_eq!(seconds("1h 30m"), Ok(5400));
        assert_eq!(seconds("15 minutes"), Ok(15 * 60));
    }

    #[test]
    fn nonsense_and_extremes_are_refused_with_the_way_to_write_it() {
        for text in ["", "15", "5 fortnights", "m15", "1 month"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("is not a duration") && error.contains("\"15m\""), "{text}: {error}");
        }
        for text in ["0s", "-5m", "400d", "100ms"] {
            assert!(parse(text).unwrap_err().contains("out of range"), "{text}");
        }
    }
}
