//! The zip around a table. All use of the zip crate is here.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Level 6: level 9 costs twice the time for one percent; level 1 leaves a quarter more bytes.
const LEVEL: i64 = 6;

/// A zip with the one file `name`. Equal content gives equal bytes: the file's time is always 1980-01-01.
pub fn zipped(name: &str, content: &[u8]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::with_capacity(content.len() / 6 + 256)));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .last_modified_time(DateTime::default());
    archive.start_file(name, options)?;
    archive.write_all(content)?;
    Ok(archive.finish()?.into_inner())
}
