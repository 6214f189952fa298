//! One file: a table, or JSON Lines.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::{Sink, Target, shouted};
use crate::cli::why::stream_name;
use crate::measurement::{Kind, Quality, UtcMicros, Value};
use crate::outbox::ExportRow;
use crate::wire::bridge::DeviceId;

/// A table with a row for each sample that has a date.
pub struct Csv {
    table: csv::Writer<Target>,
}

impl Csv {
    /// Begins with the heading.
    pub fn new(target: Target) -> anyhow::Result<Self> {
        let mut table = csv::Writer::from_writer(target);
        table
            .write_record(["watch", "kind", "stream", "datetime", "value", "quality_indicator"])
            .map_err(broken)?;
        Ok(Self { table })
    }
}

impl Sink for Csv {
    fn take(&mut self, row: &ExportRow) -> anyhow::Result<bool> {
        let Some(at) = row.at else { return Ok(false) };
        let kind = row.stream.kind().map_or("", Kind::name);
        let (stream, second) = (shouted(&stream_name(row.stream)), at.seconds().0.to_string());
        let watch = row.watch.to_string();
        let (value, quality) = (row.stream.value(row.value).to_string(), row.quality.to_string());
        self.table
            .write_record([watch.as_str(), kind, &stream, &second, &value, &quality])
            .map_err(broken)?;
        Ok(true)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        let mut table = self.table;
        table.flush()?;
        let target = table.into_inner().map_err(|error| anyhow::anyhow!("{}", error.error()))?;
        Ok(target.finish()?)
    }
}

/// What the file system said, if it was that; so that a reader who has left is known as such.
pub(super) fn broken(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("the table cannot be written: {other:?}"),
    }
}

/// An object a line.
pub struct JsonLines {
    target: Target,
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

impl JsonLines {
    /// Nothing is written yet.
    pub const fn new(target: Target) -> Self {
        Self { target }
    }
}

impl Sink for JsonLines {
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
            value: match row.stream.value(row.value) {
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

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        Ok(self.target.finish()?)
    }
}
