//! A day's file: what it has, and what it is to have.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::FolderError;
use crate::config::FolderFormat;
use crate::measurement::{Kind, Reading, UnixSeconds};
use crate::upload::sinks::row;

/// The rows of a day, by their second.
#[derive(Debug, Default)]
pub struct DayFile {
    rows: BTreeMap<UnixSeconds, Reading>,
}

impl DayFile {
    /// What the file at `path` has; nothing, if there is none.
    pub fn read(path: &Path, kind: Kind, format: FolderFormat) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Disk { doing: "read", path: path.to_owned(), source };
        let file = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        let (header, mut rows) = (row::header(kind, format), BTreeMap::new());
        for (number, line) in file.lines().enumerate() {
            let line = match line {
                Ok(line) => line,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(foreign(path, number, "not UTF-8"));
                }
                Err(error) => return Err(failed(error)),
            };
            if number == 0 && header.is_some() {
                if header != Some(line) {
                    return Err(foreign(path, number, "another header"));
                }
                continue;
            }
            let row = row::parse(kind, format, &line);
            let row = row.map_err(|problem| foreign(path, number, &problem))?;
            rows.insert(row.at, row);
        }
        Ok(Self { rows })
    }

    /// Takes these rows in; one with the same second gives way. Whether that has changed anything.
    pub fn merge(&mut self, readings: Vec<Reading>) -> bool {
        let mut changed = false;
        for reading in readings {
            changed |= self.rows.get(&reading.at) != Some(&reading);
            self.rows.insert(reading.at, reading);
        }
        changed
    }

    /// The whole file.
    pub fn text(&self, kind: Kind, format: FolderFormat) -> String {
        let mut text = String::with_capacity(self.rows.len() * 48 + 64);
        if let Some(header) = row::header(kind, format) {
            text.push_str(&header);
            text.push('\n');
        }
        for reading in self.rows.values() {
            row::write(kind, format, reading, &mut text);
            text.push('\n');
        }
        text
    }
}

fn foreign(path: &Path, number: usize, problem: &str) -> FolderError {
    FolderError::Foreign { path: path.to_owned(), line: number as u64 + 1, problem: problem.to_owned() }
}
