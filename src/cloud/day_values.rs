//! The API's form of a day: a *string* that holds a JSON map from seconds after midnight to `[value, quality]`.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::measurement::{Day, Kind, Quality, Reading, UnixSeconds, Value, ValueType};

const SECONDS_PER_DAY: u32 = 86_400;

/// What the cloud holds of one kind on one UTC day.
#[derive(Clone, Debug, PartialEq)]
pub struct DayOfValues {
    /// The day, UTC.
    pub day: Day,
    /// The kind.
    pub kind: Kind,
    /// How many values the cloud says it has.
    pub count: u64,
    /// The values, in order of time.
    pub readings: Vec<Reading>,
}

/// A row of the answer. `created` and `updatedAt` are not used.
#[derive(Deserialize)]
pub(super) struct Row {
    values: String,
    count: f64,
    #[serde(rename = "type")]
    kind: Kind,
    day: String,
}

impl Row {
    /// Reads the row. The error names the place and the fault, never the value: it is health data.
    pub fn read(&self) -> Result<DayOfValues, String> {
        let day = day(&self.day).ok_or_else(|| "a day is not a date".to_owned())?;
        let fault = |what: &str| format!("{} of {day}: {what}", self.kind);
        let map: BTreeMap<String, Json> =
            serde_json::from_str(&self.values).map_err(|_| fault("the values are not a JSON map"))?;
        let mut readings = Vec::with_capacity(map.len());
        for (second, entry) in &map {
            let second = second.parse().ok().filter(|second| *second < SECONDS_PER_DAY);
            let second = second.ok_or_else(|| fault("a key is not a second of the day"))?;
            readings.push(
                reading(self.kind, day.at(second), entry)
                    .map_err(|what| fault(&format!("second {second}: {what}")))?,
            );
        }
        // The map's keys are text, so 10 comes before 9.
        readings.sort_by_key(|reading| reading.at);
        Ok(DayOfValues { day, kind: self.kind, count: self.count.max(0.0) as u64, readings })
    }
}

/// The UTC day of a date-time (`2022-02-07T00:00:00.000Z`), of one without offset, or of a plain date.
fn day(text: &str) -> Option<Day> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(UnixSeconds(instant.as_second()).day());
    }
    let local: DateTime = text.parse().ok()?;
    Some(UnixSeconds(local.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second()).day())
}

/// `[value, quality]`, `[value, null]` or `[value]`.
fn reading(kind: Kind, at: UnixSeconds, entry: &Json) -> Result<Reading, &'static str> {
    let (value, quality) = match entry.as_array().map(Vec::as_slice) {
        Some([value]) => (value, &Json::Null),
        Some([value, quality]) => (value, quality),
        _ => return Err("not a list of value and quality"),
    };
    let value = read_value(kind, value).ok_or("the value is not of the type's form")?;
    let quality = match quality {
        _ if !kind.has_quality() => None,
        Json::Null => None,
        other => Some(whole(other).and_then(|number| Quality::try_from(number).ok()).ok_or("not a quality")?),
    };
    Ok(Reading { at, value, quality })
}

fn read_value(kind: Kind, json: &Json) -> Option<Value> {
    match (json, kind.value_type()) {
        (Json::String(text), _) => Value::parse(kind, text).ok(),
        (number, ValueType::Integer) => whole(number).map(Value::Integer),
        (number, ValueType::Decimal) => number.as_f64().map(Value::Decimal),
        (_, ValueType::Frame) => None,
    }
}

/// A whole number, also if it was written as `72.0`.
fn whole(json: &Json) -> Option<i64> {
    json.as_i64().or_else(|| json.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{Beat, HeartBeatFrame};

    fn row(kind: Kind, values: &str) -> Row {
        Row { values: values.to_owned(), count: 2.0, kind, day: "2023-01-01T00:00:00.000Z".to_owned() }
    }

    fn read(kind: Kind, values: &str) -> Result<Vec<Reading>, String> {
        row(kind, values).read().map(|day| day.readings)
    }

    #[test]
    fn seconds_become_instants_in_order() {
        let day = row(Kind::HeartRate, r#"{"10":[73,4],"9":[72.0,0],"86399":["74"],"11":[75,null]}"#)
            .read()
            .unwrap();
        assert_eq!((day.day.to_string().as_str(), day.count), ("2023-01-01", 2));
        let midnight = 1_672_531_200_i64;
        let at = |second: i64, bpm, quality: Option<u8>| Reading {
            at: UnixSeconds(midnight + second),
            value: Value::Integer(bpm),
            quality: quality.map(|quality| quality.try_into().unwrap()),
        };
        assert_eq!(
            day.readings,
            [at(9, 72, Some(0)), at(10, 73, Some(4)), at(11, 75, None), at(86_399, 74, None)]
        );
    }

    #[test]
    fn heart_beats_are_hex_and_decimals_may_be_whole() {
        let beats = read(Kind::HeartBeat, r#"{"1":["010204E8030000000000",4]}"#).unwrap();
        let beat = Beat { at_ms: 1_000, quality: Quality::BEST, ends_run: false };
        assert_eq!(beats[0].value, Value::Beats(HeartBeatFrame::new(vec![beat]).unwrap()));
        assert_eq!(read(Kind::Temperature, r#"{"0":[36,4]}"#).unwrap()[0].value, Value::Decimal(36.0));
        assert_eq!(read(Kind::HeartRateGraph, r#"{"0":[60,4]}"#).unwrap()[0].quality, None);
        assert_eq!(read(Kind::HeartRate, "{}").unwrap(), []);
    }

    #[test]
    fn a_fault_names_its_place_and_keeps_the_value_to_itself() {
        for (kind, values) in [
            (Kind::HeartBeat, r#"{"7":["777",4]}"#),
            (Kind::HeartBeat, r#"{"7":[777,4]}"#),
            (Kind::HeartRate, r#"{"7":[77.7,4]}"#),
            (Kind::HeartRate, r#"{"7":[777,5]}"#),
            (Kind::HeartRate, r#"{"7":777}"#),
            (Kind::HeartRate, r#"{"7":[777,4,1]}"#),
        ] {
            let fault = read(kind, values).unwrap_err();
            assert!(fault.contains("second 7") && fault.contains("2023-01-01"), "{fault}");
            assert!(!fault.contains("77"), "{fault}");
        }
        assert!(read(Kind::HeartRate, r#"{"86400":[72,4]}"#).unwrap_err().contains("second of the day"));
        assert!(read(Kind::HeartRate, "[]").unwrap_err().contains("JSON map"));
    }

    #[test]
    fn a_day_is_a_utc_day_however_it_is_written() {
        let text = |text| day(text).map(|day| day.to_string());
        for new_year in
            ["2023-01-01", "2023-01-01T00:00:00", "2023-01-01T00:00:00Z", "2023-01-01T01:00:00+01:00"]
        {
            assert_eq!(text(new_year).as_deref(), Some("2023-01-01"), "{new_year}");
        }
        assert_eq!(text("2023-01-01T00:30:00+01:00").as_deref(), Some("2022-12-31"));
        assert_eq!(text("today"), None);
    }
}
