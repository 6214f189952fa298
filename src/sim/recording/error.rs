//! What can be wrong with a file that should become a recording.

use std::io;
use std::path::PathBuf;

use super::export::EXPORT_FILES;
use crate::measurement::ValueError;

/// A recording that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file system refused to read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file system refused to write.
    #[error("{path} cannot be written: {source}", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The signature of a FIT file is missing.
    #[error("{path} is not a FIT file; take the .fit that a sports watch or bike computer saved", path = path.display())]
    NotFit {
        /// The file.
        path: PathBuf,
    },
    /// It starts as a FIT file and then breaks off or contradicts itself.
    #[error("{path} is a damaged FIT file ({source}); copy it from the device again", path = path.display())]
    DamagedFit {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        source: fitparser::Error,
    },
    /// A FIT file of something else.
    #[error(
        "{path} is a FIT file with no heart rate inside; take an activity recorded with a heart-rate sensor",
        path = path.display()
    )]
    NoHeartRate {
        /// The file.
        path: PathBuf,
    },
    /// A folder without any of the export's files, or with nothing but headers in them.
    #[error("{path} holds no measurements; an export folder has {files}", path = path.display(), files = file_names())]
    EmptyExport {
        /// The folder.
        path: PathBuf,
    },
    /// The first line names no time or no value.
    #[error("{path}: the header is \"{found}\"; it must have timestamp (or datetime) and value", path = path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What stands there.
        found: String,
    },
    /// A row has a field too few or too many, or is not UTF-8.
    #[error("{path} is not a table: {source}", path = path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What the CSV reader found.
        source: csv::Error,
    },
    /// One field of one row.
    #[error("{path}, line {line}, {field}: {source}", path = path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The line; the header is line 1.
        line: u64,
        /// The column.
        field: &'static str,
        /// What is wrong with it.
        source: FieldError,
    },
}

/// A field that does not hold what its column should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Not a whole number, or one that no calendar has (milliseconds, for instance).
    #[error("\"{0}\" is not a Unix time in seconds")]
    NotSeconds(String),
    /// Not of the type that the kind asks for.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Too large to be stored.
    #[error("\"{0}\" is out of range")]
    OutOfRange(String),
    /// Not a quality.
    #[error("\"{0}\" is not a quality from 0 to 4")]
    NotAQuality(String),
}

fn file_names() -> String {
    EXPORT_FILES.map(|(name, _)| name).join(", ")
}
