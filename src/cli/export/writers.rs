//! One file: a table, or JSON Lines.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::{Sink, shouted};
use crate::cli::why::stream_name;
use crate::measurement::{Kind, Quality, UtcMicros, Value};
use crate::outbox::ExportRow;
use crate::wire::bridge::DeviceId;

/// The real value of a sample: stored units have no fractions.
pub fn value(row: &ExportRow) -> Value {
    match row.stream.info().map_or(1, |info| info.scale) {
        1 => Value::Integer(row.value.into()),
        scale => Value::Decimal(f64::from(row.value) / f64::from(scale)),
    }
}

/// A table with a row for each sample that has a date.
pub struct Csv<W: Write> {
    table: csv::Writer<W>,
}

impl<W: Write> Csv<W> {
    /// Begins with the heading.
    pub fn new(target: W) -> anyhow::Result<Self> {
        let mut table = csv::Writer::from_writer(target);
        table.write_record(["watch", "kind", "stream", "datetime", "value", "quality_indicator"])?;
        Ok(Self { table })
    }
}

impl<W: Write> Sink for Csv<W> {
    fn take(&mut self, row: &ExportRow) -> anyhow::Result<bool> {
        let Some(at) = row.at else { return Ok(false) };
        let kind = row.stream.kind().map_or("", Kind::name);
        let (stream, second) = (shouted(&stream_name(row.stream)), at.seconds().0.to_string());
        let watch = row.watch.to_string();
        let (value, quality) = (value(row).to_string(), row.quality.to_string());
        self.table
            .write_record([watch.as_str(), kind, &stream, &second, &value, &quality])
            .map_err(broken)?;
        Ok(true)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(self.table.flush()?)
    }
}

/// What the file system said, if it was that; so that a reader who has left is known as such.
fn broken(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("the table cannot be written: {other:?}"),
    }
}

/// An object a line.
pub struct JsonLines<W> {
    target: W,
}

#[derive(Serialize)]
struct Line<'a> {
    watch: DeviceId,
    kind: Option<Kind>,
    stream: &'a str,
    /// Seconds, as the API has them; milliseconds; the same for people. All missing without a date.
    datetime: Option<i64>,
    at_ms: Option<i64>,
    time: Option<String>,
    value: serde_json::Value,
    unit: &'static str,
    quality_indicator: Quality,
    synthetic: bool,
    log: i64,
    block: u32,
    boot: u16,
    ticks_ms: u64,
}

impl<W: Write> JsonLines<W> {
    /// Nothing is written yet.
    pub const fn new(target: W) -> Self {
        Self { target }
    }
}

impl<W: Write> Sink for JsonLines<W> {
    fn take(&mut self, row: &ExportRow) -> anyhow::Result<bool> {
        let stream = shouted(&stream_name(row.stream));
        let time = row.at.and_then(|at| Timestamp::from_millisecond(at.millis()).ok());
        let line = Line {
            watch: row.watch,
            kind: row.stream.kind(),
            stream: &stream,
            datetime: row.at.map(|at| at.seconds().0),
            at_ms: row.at.map(UtcMicros::millis),
            time: time.map(|time| format!("{time:.3}")),
            value: match value(row) {
                Value::Decimal(number) => number.into(),
                _ => row.value.into(),
            },
            unit: row.stream.info().map_or("", |info| info.unit),
            quality_indicator: row.quality,
            synthetic: row.synthetic,
            log: row.log.0,
            block: row.seq.0,
            boot: row.boot.0,
            ticks_ms: row.ticks_ms,
        };
        serde_json::to_writer(&mut self.target, &line).map_err(std::io::Error::from)?;
        self.target.write_all(b"\n")?;
        Ok(true)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(self.target.flush()?)
    }
}
