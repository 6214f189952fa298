//! FIT files: what sports watches and bike computers save.
//!
//! Heart rate, cadence and R-R intervals are taken; positions, serial numbers, power and the rest are left. The temperature
//! in such a file is that of the device, not of the skin, and is left too.

use std::path::Path;

use fitparser::profile::MesgNum;
use fitparser::{FitDataRecord, Value};

use super::{Recording, RecordingError, Sample, Track};
use crate::measurement::{Quality, UtcMicros};
use crate::wire::bridge::Stream;

/// Where a FIT file says that it is one.
const SIGNATURE: std::ops::Range<usize> = 8..12;
/// What an R-R interval that is none says, in seconds.
const NO_INTERVAL: f64 = 65.535;
/// The beats lag behind the records where intervals were lost or the timer stood; beyond this they are placed anew.
const MOST_LAG_MS: u64 = 10_000;

/// Reads heart rate, cadence and beats from a FIT file.
///
/// A FIT file tells how long each interval was, not when; the beats are placed by summing up from the first record. A run
/// starts with a beat of its own, so that no interval is lost: *n* intervals are *n* + 1 beats.
pub fn read_fit(path: &Path) -> Result<Recording, RecordingError> {
    let bytes =
        std::fs::read(path).map_err(|source| RecordingError::Read { path: path.to_owned(), source })?;
    if bytes.get(SIGNATURE) != Some(b".FIT") {
        return Err(RecordingError::NotFit { path: path.to_owned() });
    }
    let messages = fitparser::from_bytes(&bytes)
        .map_err(|source| RecordingError::DamagedFit { path: path.to_owned(), source })?;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    convert(&messages, format!("FIT file {name}"))
        .ok_or_else(|| RecordingError::NoHeartRate { path: path.to_owned() })
}

fn convert(messages: &[FitDataRecord], source: String) -> Option<Recording> {
    let started = messages.iter().filter_map(record_second).min()?;
    let (mut rates, mut cadences, mut beats) = (Vec::new(), Vec::new(), Beats::default());
    let mut at_ms = 0;
    for message in messages {
        if let Some(second) = record_second(message) {
            at_ms = second.abs_diff(started) * 1_000;
            let sample = |value: u8| Sample { at_ms, value: value.into(), quality: Quality::BEST };
            // A sensor that has lost the skin says 0.
            rates.extend(byte(message, "heart_rate").map(|rate| match rate {
                0 => Sample { quality: Quality::UNRELIABLE, ..sample(0) },
                rate => sample(rate),
            }));
            cadences.extend(byte(message, "cadence").map(sample));
        } else if message.kind() == MesgNum::Hrv {
            beats.push(&intervals_ms(message), at_ms);
        }
    }
    if rates.is_empty() && beats.samples.is_empty() {
        return None;
    }
    let tracks = [(Stream::HEART_RATE, rates), (Stream::CADENCE, cadences), (Stream::BEATS, beats.samples)]
        .into_iter()
        .filter(|(_, samples)| !samples.is_empty())
        .map(|(stream, samples)| Track::new(stream, samples));
    Some(Recording { source, started: Some(UtcMicros(started * 1_000_000)), tracks: tracks.collect() })
}

/// The beats so far.
#[derive(Default)]
struct Beats {
    samples: Vec<Sample>,
}

impl Beats {
    /// Appends intervals that were written after the record at `record_ms`.
    fn push(&mut self, intervals_ms: &[i32], record_ms: u64) {
        if intervals_ms.is_empty() {
            return;
        }
        let last_ms = self.samples.last().map(|beat| beat.at_ms);
        let lags = last_ms.unwrap_or(0) + MOST_LAG_MS < record_ms;
        let mut at_ms = if lags { record_ms } else { last_ms.unwrap_or(0) };
        let starts_run = lags || last_ms.is_none();
        for &interval_ms in starts_run.then_some(&0).into_iter().chain(intervals_ms) {
            at_ms += u64::from(interval_ms.unsigned_abs());
            self.samples.push(Sample { at_ms, value: interval_ms, quality: Quality::BEST });
        }
    }
}

/// The Unix second of a record message; `None` for other messages.
fn record_second(message: &FitDataRecord) -> Option<i64> {
    if message.kind() != MesgNum::Record {
        return None;
    }
    match field(message, "timestamp")? {
        Value::Timestamp(time) => Some(time.timestamp()),
        _ => None,
    }
}

fn byte(message: &FitDataRecord, name: &str) -> Option<u8> {
    match field(message, name)? {
        Value::UInt8(value) => Some(*value),
        _ => None,
    }
}

/// The intervals of an `hrv` message. It is padded with 65.535 s, which the parser mostly tells as invalid.
fn intervals_ms(message: &FitDataRecord) -> Vec<i32> {
    let values = match field(message, "time") {
        Some(Value::Array(values)) => values.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    let seconds = values.iter().filter_map(|value| match value {
        Value::Float64(seconds) if *seconds > 0.0 && *seconds < NO_INTERVAL => Some(*seconds),
        _ => None,
    });
    seconds.map(|seconds| (seconds * 1_000.0).round() as i32).collect()
}

fn field<'a>(message: &'a FitDataRecord, name: &str) -> Option<&'a Value> {
    message.fields().iter().find(|field| field.name() == name).map(fitparser::FitDataField::value)
}
