//! The export folder of the NOWATCH app: one CSV file a kind, `timestamp,value,quality_indicator`.
//!
//! Exports differ: the time column is `timestamp` or `datetime`, the quality column `quality`, `quality_indicator` or
//! missing, and activity counts may have a `body_position`. Columns are therefore found by name. An export holds whole
//! seconds; only the beats are finer.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::frames::{self, FrameRow};
use super::{FieldError, Recording, RecordingError, Sample, Track};
use crate::measurement::{HeartBeatFrame, Kind, Quality, UnixSeconds, UtcMicros, Value};
pub use crate::wire::app_export::FILES as EXPORT_FILES;
use crate::wire::app_export::HEADING;
use crate::wire::bridge::Stream;

/// The seconds of the years 1970 to 9999; milliseconds taken for seconds fall outside.
const SECONDS: std::ops::Range<i64> = 0..253_402_300_800;

/// The rows of one file.
pub(super) struct Table {
    stream: Stream,
    rows: Vec<Row>,
    frames: Vec<FrameRow>,
}

struct Row {
    at: UnixSeconds,
    value: i32,
    quality: Quality,
}

/// Reads an export folder. Files that are missing are streams that are missing; the first time of all is where the recording
/// starts. Other files in the folder are left alone.
pub fn read_export(dir: &Path) -> Result<Recording, RecordingError> {
    let mut tables = Vec::new();
    for (name, stream) in EXPORT_FILES {
        let path = dir.join(name);
        match std::fs::File::open(&path) {
            Ok(file) => tables.push(read_table(&path, stream, file)?),
            Err(error) if error.kind() == ErrorKind::NotFound && dir.is_dir() => {}
            Err(source) => return Err(RecordingError::Read { path: readable(dir, path), source }),
        }
    }
    let name = dir.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    assemble(format!("export folder {name}"), tables)
        .ok_or_else(|| RecordingError::EmptyExport { path: dir.to_owned() })
}

/// The folder where that is what is missing, else the file.
fn readable(dir: &Path, path: PathBuf) -> PathBuf {
    if dir.is_dir() { path } else { dir.to_owned() }
}

/// Makes a recording of tables; `None` if they have no row.
pub(super) fn assemble(source: String, tables: Vec<Table>) -> Option<Recording> {
    let times = tables.iter().flat_map(|table| {
        table.rows.iter().map(|row| row.at).chain(table.frames.iter().map(|(second, _)| *second))
    });
    let base = times.min()?;
    let tracks = tables.into_iter().map(|table| table.into_track(base));
    Some(Recording {
        source,
        started: Some(UtcMicros(base.0 * 1_000_000)),
        tracks: tracks.filter(|track| !track.samples.is_empty()).collect(),
    })
}

/// Where the columns stand.
struct Columns {
    time: (usize, &'static str),
    value: usize,
    quality: Option<(usize, &'static str)>,
}

impl Columns {
    fn find(header: &csv::StringRecord) -> Option<Self> {
        let find = |name: &'static str| {
            header.iter().position(|column| column.trim() == name).map(|index| (index, name))
        };
        Some(Self {
            time: find("timestamp").or_else(|| find("datetime"))?,
            value: find("value")?.0,
            quality: find("quality_indicator").or_else(|| find("quality")),
        })
    }
}

/// Reads the table of `stream`; `path` is what errors call it.
pub(super) fn read_table(path: &Path, stream: Stream, source: impl Read) -> Result<Table, RecordingError> {
    let malformed = |source| RecordingError::Table { path: path.to_owned(), source };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Fields).from_reader(source);
    let header = reader.headers().map_err(malformed)?;
    let Some(columns) = Columns::find(header) else {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(RecordingError::Header { path: path.to_owned(), found });
    };
    let mut table = Table { stream, rows: Vec::new(), frames: Vec::new() };
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(malformed)? {
        let line = record.position().map_or(0, csv::Position::line);
        table.push(&columns, &record).map_err(|(field, source)| RecordingError::Field {
            path: path.to_owned(),
            line,
            field,
            source,
        })?;
    }
    Ok(table)
}

impl Table {
    /// Takes a row, or tells which field is wrong.
    fn push(
        &mut self,
        columns: &Columns,
        record: &csv::StringRecord,
    ) -> Result<(), (&'static str, FieldError)> {
        // The reader is not flexible: every record has as many fields as the header, where the columns were found.
        let text = |index: usize| record.get(index).unwrap_or_default();
        let (time, name) = columns.time;
        let at = text(time).parse().ok().filter(|second| SECONDS.contains(second));
        let at = UnixSeconds(at.ok_or_else(|| (name, FieldError::NotSeconds(text(time).to_owned())))?);
        let quality = match columns.quality {
            Some((index, name)) => parse_quality(text(index))
                .ok_or_else(|| (name, FieldError::NotAQuality(text(index).to_owned())))?,
            None => Quality::BEST,
        };
        match parse_value(self.stream, text(columns.value)).map_err(|error| ("value", error))? {
            Parsed::Stored(value) => self.rows.push(Row { at, value, quality }),
            Parsed::Frame(frame) => self.frames.push((at, frame)),
        }
        Ok(())
    }

    fn into_track(mut self, base: UnixSeconds) -> Track {
        if self.stream == Stream::BEATS {
            self.frames.sort_by_key(|(second, _)| *second);
            return Track::new(self.stream, frames::from_rows(&self.frames, base));
        }
        let samples = self.rows.iter().map(|row| Sample {
            at_ms: row.at.0.abs_diff(base.0) * 1_000,
            value: row.value,
            quality: row.quality,
        });
        Track::new(self.stream, samples.collect())
    }
}

/// What a value column may hold.
enum Parsed {
    Stored(i32),
    Frame(HeartBeatFrame),
}

fn parse_quality(text: &str) -> Option<Quality> {
    text.parse::<i64>().ok()?.try_into().ok()
}

fn parse_value(stream: Stream, text: &str) -> Result<Parsed, FieldError> {
    let stored = match Value::parse(kind(stream), text)? {
        Value::Beats(frame) => return Ok(Parsed::Frame(frame)),
        Value::Integer(number) => number.checked_mul(scale(stream)),
        // `as` saturates, and what saturates is out of range below.
        Value::Decimal(number) => Some((number * scale(stream) as f64).round() as i64),
    };
    let stored = stored.and_then(|stored| i32::try_from(stored).ok());
    stored.map(Parsed::Stored).ok_or_else(|| FieldError::OutOfRange(text.to_owned()))
}

fn kind(stream: Stream) -> Kind {
    stream.kind().expect("every stream of EXPORT_FILES has a kind, as a test shows")
}

fn scale(stream: Stream) -> i64 {
    stream.info().map_or(1, |info| i64::from(info.scale))
}

/// Writes an export folder, making it if need be, and returns the streams that the format has no file for. A recording whose
/// start is not known is written as if it had begun in 1970; a start within a second is rounded down.
pub fn write_export(recording: &Recording, dir: &Path) -> Result<Vec<Stream>, RecordingError> {
    std::fs::create_dir_all(dir).map_err(|source| RecordingError::Write { path: dir.to_owned(), source })?;
    let base = recording.started.unwrap_or_default().seconds();
    let mut left_out = Vec::new();
    for track in recording.tracks.iter().filter(|track| !track.samples.is_empty()) {
        match EXPORT_FILES.iter().find(|(_, stream)| *stream == track.stream) {
            Some((name, _)) => write_file(&dir.join(name), track, base)?,
            None => left_out.push(track.stream),
        }
    }
    Ok(left_out)
}

fn write_file(path: &Path, track: &Track, base: UnixSeconds) -> Result<(), RecordingError> {
    let write = || -> Result<(), csv::Error> {
        let mut table = csv::Writer::from_path(path)?;
        table.write_record(HEADING)?;
        if track.stream == Stream::BEATS {
            for row in frames::to_rows(&track.samples, base) {
                let quality = row.quality.unwrap_or(Quality::BEST);
                table.write_record([row.at.0.to_string(), row.value.to_string(), quality.to_string()])?;
            }
        } else {
            for sample in &track.samples {
                let at = base.0 + (sample.at_ms / 1_000) as i64;
                let value = track.stream.value(sample.value).to_string();
                table.write_record([at.to_string(), value, sample.quality.to_string()])?;
            }
        }
        table.flush().map_err(csv::Error::from)
    };
    write().map_err(|error| RecordingError::Write { path: path.to_owned(), source: error.into() })
}
