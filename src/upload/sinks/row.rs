//! A reading as text: as in the API's CSV, or as a JSON object with the same names.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::config::FolderFormat;
use crate::measurement::{Kind, Quality, Reading, UnixSeconds, Value, ValueType};

/// The first line, where the format has one.
pub fn header(kind: Kind, format: FolderFormat) -> Option<String> {
    (format == FolderFormat::Csv).then(|| kind.columns().join(","))
}

/// Writes a row, without the end of its line.
pub fn write(kind: Kind, format: FolderFormat, reading: &Reading, text: &mut String) {
    let Reading { at, value, quality } = reading;
    let quality = kind.has_quality().then(|| quality.unwrap_or(Quality::UNRELIABLE));
    // Writing to a String cannot fail; no value has a character that either format would have to escape.
    let _ = match format {
        FolderFormat::Csv => write!(text, "{},{value}", at.0),
        FolderFormat::Jsonl if kind.value_type() == ValueType::Frame => {
            write!(text, r#"{{"datetime":{},"value":"{value}""#, at.0)
        }
        FolderFormat::Jsonl => write!(text, r#"{{"datetime":{},"value":{value}"#, at.0),
    };
    let _ = match (format, quality) {
        (FolderFormat::Csv, Some(quality)) => write!(text, ",{quality}"),
        (FolderFormat::Csv, None) => Ok(()),
        (FolderFormat::Jsonl, Some(quality)) => write!(text, r#","quality_indicator":{quality}}}"#),
        (FolderFormat::Jsonl, None) => write!(text, "}}"),
    };
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    datetime: i64,
    value: serde_json::Value,
    quality_indicator: Option<Quality>,
}

/// Reads a row; an error is what is wrong with it.
pub fn parse(kind: Kind, format: FolderFormat, line: &str) -> Result<Reading, String> {
    let (at, value, quality) = match format {
        FolderFormat::Csv => {
            let mut fields = line.split(',');
            let mut next = |what: &str| fields.next().ok_or_else(|| format!("no {what}"));
            let at = next("datetime")?;
            let at = at.parse().map_err(|_| format!("\"{at}\" is no Unix time"))?;
            let value = next("value")?.to_owned();
            let quality = if kind.has_quality() { Some(quality(next("quality")?)?) } else { None };
            if fields.next().is_some() {
                return Err("too many fields".to_owned());
            }
            (at, value, quality)
        }
        FolderFormat::Jsonl => {
            let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
            if line.quality_indicator.is_some() != kind.has_quality() {
                return Err("quality_indicator is missing, or too many".to_owned());
            }
            let value = match line.value {
                serde_json::Value::String(text) => text,
                number => number.to_string(),
            };
            (line.datetime, value, line.quality_indicator)
        }
    };
    let value = Value::parse(kind, &value).map_err(|error| error.to_string())?;
    Ok(Reading { at: UnixSeconds(at), value, quality })
}

fn quality(text: &str) -> Result<Quality, String> {
    let quality = text.parse::<u8>().ok().and_then(|number| number.try_into().ok());
    quality.ok_or_else(|| format!("\"{text}\" is no quality"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::HeartBeatFrame;

    fn readings() -> [(Kind, Reading); 4] {
        let at = UnixSeconds(1_672_531_200);
        let frame = HeartBeatFrame::from_hex("010204e8030000000000").unwrap();
        let best = Some(Quality::BEST);
        [
            (Kind::HeartRate, Reading { at, value: Value::Integer(61), quality: best }),
            (Kind::Temperature, Reading { at, value: Value::Decimal(36.44), quality: best }),
            (Kind::Temperature, Reading { at, value: Value::Decimal(36.0), quality: best }),
            (Kind::HeartBeat, Reading { at, value: Value::Beats(frame), quality: best }),
        ]
    }

    #[test]
    fn a_row_survives_the_trip_in_both_formats() {
        let graph = Reading { at: UnixSeconds(5), value: Value::Integer(61), quality: None };
        let all = readings().into_iter().chain([(Kind::HeartRateGraph, graph)]);
        for (kind, reading) in all {
            for format in [FolderFormat::Csv, FolderFormat::Jsonl] {
                let mut text = String::new();
                write(kind, format, &reading, &mut text);
                assert_eq!(parse(kind, format, &text), Ok(reading.clone()), "{text}");
            }
        }
    }

    #[test]
    fn a_line_of_the_csv_is_the_one_that_the_cloud_gets() {
        for (kind, reading) in readings() {
            let (mut ours, mut theirs) = (header(kind, FolderFormat::Csv).unwrap() + "\n", Vec::new());
            write(kind, FolderFormat::Csv, &reading, &mut ours);
            crate::measurement::csv::write(kind, [&reading], &mut theirs).unwrap();
            assert_eq!(ours + "\n", String::from_utf8(theirs).unwrap());
        }
    }

    #[test]
    fn json_is_what_a_program_expects() {
        let mut text = String::new();
        for (kind, reading) in &readings()[..] {
            write(*kind, FolderFormat::Jsonl, reading, &mut text);
            text.push('\n');
        }
        assert_eq!(text.lines().next(), Some(r#"{"datetime":1672531200,"value":61,"quality_indicator":4}"#));
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    #[test]
    fn what_somebody_else_wrote_is_refused() {
        for line in ["", "x,1,4", "1,1", "1,x,4", "1,1,9", "1,1,4,5", "{}"] {
            assert!(parse(Kind::HeartRate, FolderFormat::Csv, line).is_err(), "{line}");
        }
        for line in
            ["", "[]", r#"{"datetime":1,"value":1}"#, r#"{"datetime":1,"value":1.5,"quality_indicator":4}"#]
        {
            assert!(parse(Kind::HeartRate, FolderFormat::Jsonl, line).is_err(), "{line}");
        }
    }
}
