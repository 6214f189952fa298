//! The table that an upload carries: a header row and a row per second (`datetime,value,quality_indicator`).

use std::io::{Read, Write};

use super::{InvalidQuality, Kind, Reading, UnixSeconds, Value, ValueError};

/// A table that is not one of `kind`. Lines count from 1, the header being line 1.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The first line is not the header of the kind.
    #[error("the header is \"{found}\", a {kind} table has \"{expected}\"", expected = kind.columns().join(","))]
    Header {
        /// The kind that was asked for.
        kind: Kind,
        /// What stands there.
        found: String,
    },
    /// A row has a field too few or too many, is not UTF-8, or the source broke off.
    #[error("the table cannot be read: {0}")]
    Malformed(#[from] ::csv::Error),
    /// The datetime of a row is not a whole number of seconds.
    #[error("line {line}: \"{text}\" is not a Unix time in seconds")]
    Datetime {
        /// The line.
        line: u64,
        /// What stands there.
        text: String,
    },
    /// The value of a row is not of the kind's type.
    #[error("line {line}: {source}")]
    Value {
        /// The line.
        line: u64,
        /// What is wrong.
        source: ValueError,
    },
    /// The quality of a row is missing or outside 0–4.
    #[error("line {line}: \"{text}\" is not a quality from 0 to 4")]
    Quality {
        /// The line.
        line: u64,
        /// What stands there.
        text: String,
    },
}

/// Writes the header and the rows in the order given.
pub fn write<'a>(
    kind: Kind,
    rows: impl IntoIterator<Item = &'a Reading>,
    sink: impl Write,
) -> Result<(), TableError> {
    let mut table = ::csv::Writer::from_writer(sink);
    table.write_record(kind.columns())?;
    let mut field = String::new();
    for row in rows {
        let mut put = |value: &dyn std::fmt::Display| {
            field.clear();
            // Writing to a String cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut field, format_args!("{value}"));
            table.write_field(&field)
        };
        put(&row.at.0)?;
        put(&row.value)?;
        if kind.has_quality() {
            put(&row.quality.unwrap_or(super::Quality::UNRELIABLE))?;
        }
        table.write_record(None::<&[u8]>)?;
    }
    table.flush().map_err(::csv::Error::from)?;
    Ok(())
}

/// Reads a table of `kind`, checking the header and every field.
pub fn read(kind: Kind, source: impl Read) -> Result<Vec<Reading>, TableError> {
    let mut table = ::csv::Reader::from_reader(source);
    let header = table.headers()?;
    if header.iter().ne(kind.columns().iter().copied()) {
        return Err(TableError::Header { kind, found: header.iter().collect::<Vec<_>>().join(",") });
    }
    let mut rows = Vec::new();
    let mut record = ::csv::StringRecord::new();
    while table.read_record(&mut record)? {
        rows.push(read_row(kind, &record)?);
    }
    Ok(rows)
}

fn read_row(kind: Kind, record: &::csv::StringRecord) -> Result<Reading, TableError> {
    let line = record.position().map_or(0, ::csv::Position::line);
    // The reader is not flexible: every record has as many fields as the header, which was checked.
    let field = |index: usize| record.get(index).unwrap_or_default();
    let at = field(0).parse().map_err(|_| TableError::Datetime { line, text: field(0).to_owned() })?;
    let value = Value::parse(kind, field(1)).map_err(|source| TableError::Value { line, source })?;
    let quality = if kind.has_quality() {
        let quality = field(2).parse::<i64>().map_err(|_| InvalidQuality(-1)).and_then(TryInto::try_into);
        Some(quality.map_err(|_| TableError::Quality { line, text: field(2).to_owned() })?)
    } else {
        None
    };
    Ok(Reading { at: UnixSeconds(at), value, quality })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measurement::Quality;

    fn reading(at: i64, value: Value) -> Reading {
        Reading { at: UnixSeconds(at), value, quality: Some(Quality::BEST) }
    }

    fn written(kind: Kind, rows: &[Reading]) -> String {
        let mut bytes = Vec::new();
        write(kind, rows, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_columns_of_the_guide() {
        let heart_rate = written(Kind::HeartRate, &[reading(1_672_531_200, Value::Integer(72))]);
        assert_eq!(heart_rate, "datetime,value,quality_indicator\n1672531200,72,4\n");
        let temperature = written(Kind::Temperature, &[reading(1_672_531_201, Value::Decimal(36.44))]);
        assert_eq!(temperature, "datetime,value,quality_indicator\n1672531201,36.44,4\n");
        let mut graph = reading(1_672_531_260, Value::Integer(70));
        graph.quality = None;
        assert_eq!(written(Kind::HeartRateGraph, &[graph]), "datetime,value\n1672531260,70\n");
    }

    #[test]
    fn each_fault_names_its_line() {
        let fault = |kind, text: &str| read(kind, text.as_bytes()).unwrap_err().to_string();
        let header = "datetime,value,quality_indicator\n";
        assert!(fault(Kind::HeartRate, "timestamp,value,quality_indicator\n").contains("timestamp,value"));
        assert_eq!(
            fault(Kind::HeartRate, &format!("{header}1,72,4\n2,7x,4\n")),
            "line 3: \"7x\" is not a whole number"
        );
        assert!(fault(Kind::HeartRate, &format!("{header}x,72,4\n")).contains("line 2: \"x\""));
        assert!(fault(Kind::HeartRate, &format!("{header}1,72,5\n")).contains("\"5\" is not a quality"));
        assert!(fault(Kind::HeartRate, &format!("{header}1,72\n")).contains("cannot be read"));
        assert!(fault(Kind::HeartBeat, &format!("{header}1,800,4\n")).contains("heart-beat frame"));
        assert!(fault(Kind::Temperature, &format!("{header}1,NaN,4\n")).contains("finite"));
    }

    proptest! {
        #[test]
        fn a_table_survives_the_trip(
            rows in proptest::collection::vec((-1_000_000_i64..4_000_000_000, -30_000_i32..30_000, 0_u8..=4), 0..40),
        ) {
            for kind in [Kind::HeartRate, Kind::Temperature, Kind::MotionGraph] {
                let rows: Vec<Reading> = rows.iter().map(|&(at, value, quality)| Reading {
                    at: UnixSeconds(at),
                    value: if kind == Kind::Temperature { Value::Decimal(f64::from(value) / 100.0) } else { Value::Integer(value.into()) },
                    quality: kind.has_quality().then(|| quality.try_into().unwrap()),
                }).collect();
                prop_assert_eq!(read(kind, written(kind, &rows).as_bytes()).unwrap(), rows);
            }
        }
    }
}
