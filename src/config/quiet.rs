//! Quiet hours as people write them: `23:00-07:00`, by the local clock.

use jiff::civil::Time;
use serde::de::{Deserialize, Deserializer, Error};

/// Hours of every day; over midnight if `to` is earlier than `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// When they begin.
    pub from: Time,
    /// When they end.
    pub to: Time,
}

/// For `#[serde(deserialize_with)]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Quiet>, D::Error> {
    parse(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

fn parse(text: &str) -> Result<Quiet, String> {
    let hour = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    let hours = text.split_once('-').and_then(|(from, to)| Some(Quiet { from: hour(from)?, to: hour(to)? }));
    match hours {
        None => Err(format!("\"{text}\" is no span of hours; write it as \"23:00-07:00\"")),
        Some(Quiet { from, to }) if from == to => Err(format!(
            "\"{text}\" is the whole day or nothing of it; leave the key out, or use `nowbridge hold`"
        )),
        Some(quiet) => Ok(quiet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_and_everything_else_is_refused_with_the_way_to_write_it() {
        let (from, to) = (Time::constant(23, 0, 0, 0), Time::constant(7, 30, 0, 0));
        assert_eq!(parse("23:00-07:30"), Ok(Quiet { from, to }));
        assert_eq!(parse("23:00 - 7:30"), Ok(Quiet { from, to }));
        for text in ["", "23:00", "23-7", "25:00-07:00", "23:00-07:00:61", "23:00–07:00"] {
            assert!(parse(text).unwrap_err().contains("\"23:00-07:00\""), "{text}");
        }
        assert!(parse("07:00-07:00").unwrap_err().contains("whole day"));
    }
}
