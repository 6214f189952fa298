//! The zip of an upload: read in memory, never by name, never further than the limits.
//!
//! What an archive declares about its sizes is not believed; what counts is what comes out of it.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::refusal::Refusal;
use crate::measurement::Kind;
use crate::measurement::{Reading, UnixSeconds, csv};

/// The largest zip that is taken.
pub(super) const COMPRESSED_LIMIT: usize = 8 * 1024 * 1024;
/// The largest table that is unpacked.
const UNCOMPRESSED_LIMIT: usize = 64 * 1024 * 1024;
/// Deflate makes a table of measurements some ten times smaller, a bomb a thousand times.
const RATIO_LIMIT: usize = 200;
/// A row costs up to ten times its text in memory; a year of one kind has half as many at one a minute.
const ROW_LIMIT: usize = 1_200_000;
/// The last second of the year 9999, after which dates have no ten letters.
const LAST_SECOND: i64 = 253_402_300_799;

/// The readings in a zipped CSV of `kind`.
pub(super) fn readings(kind: Kind, zipped: &[u8]) -> Result<Vec<Reading>, Refusal> {
    let table = unzip(zipped)?;
    let rows = table.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count();
    // Lines may end in both.
    if rows > 2 * ROW_LIMIT {
        return Err(Refusal::too_large(format!("file: more than {ROW_LIMIT} rows; send fewer at a time")));
    }
    let readings =
        csv::read(kind, table.as_slice()).map_err(|error| Refusal::bad_request(format!("file: {error}")))?;
    if readings.len() > ROW_LIMIT {
        return Err(Refusal::too_large(format!("file: more than {ROW_LIMIT} rows; send fewer at a time")));
    }
    match readings.iter().find(|reading| !(0..=LAST_SECOND).contains(&reading.at.0)) {
        Some(Reading { at: UnixSeconds(at), .. }) => {
            Err(Refusal::bad_request(format!("file: the datetime {at} is outside the years 1970 to 9999")))
        }
        None => Ok(readings),
    }
}

fn unzip(zipped: &[u8]) -> Result<Vec<u8>, Refusal> {
    if zipped.len() > COMPRESSED_LIMIT {
        return Err(Refusal::too_large(format!(
            "file: {} bytes, the limit is {COMPRESSED_LIMIT}; send fewer rows at a time",
            zipped.len()
        )));
    }
    let unreadable = |error: &dyn std::fmt::Display| {
        Refusal::bad_request(format!("file: not a zip that can be read: {error}"))
    };
    let mut archive = ZipArchive::new(Cursor::new(zipped)).map_err(|error| unreadable(&error))?;
    if archive.len() != 1 || archive.has_duplicate_names() {
        return Err(Refusal::bad_request("file: the zip must hold exactly one entry, a CSV file"));
    }
    let entry = archive.by_index(0).map_err(|error| unreadable(&error))?;
    if !entry.is_file() {
        return Err(Refusal::bad_request("file: the zip's entry is not a file"));
    }
    let limit = UNCOMPRESSED_LIMIT.min(zipped.len().saturating_mul(RATIO_LIMIT));
    let mut table = Vec::new();
    entry.take(limit as u64 + 1).read_to_end(&mut table).map_err(|error| unreadable(&error))?;
    if table.len() > limit {
        return Err(Refusal::too_large(format!("file: the zip unpacks to more than {limit} bytes")));
    }
    Ok(table)
}
