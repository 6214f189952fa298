//! The table of a batch: rows, the same as CSV, and its hash.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::readings::Rows;
use crate::measurement::{Kind, Reading, csv};

/// A table that is ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What the rows are.
    pub kind: Kind,
    /// The rows, in order of time.
    pub readings: Vec<Reading>,
    /// The same as the API's CSV.
    pub csv: Bytes,
    /// Of the CSV: what tells whether a retry sends the same.
    pub csv_sha256: [u8; 32],
}

impl Table {
    /// Writes the rows as CSV and hashes it.
    pub fn new(kind: Kind, rows: Rows) -> Result<Self, csv::TableError> {
        let mut text = Vec::with_capacity(rows.readings.len() * 20 + 64);
        csv::write(kind, &rows.readings, &mut text)?;
        let csv_sha256 = Sha256::digest(&text).into();
        Ok(Self { kind, readings: rows.readings, csv: text.into(), csv_sha256 })
    }

    /// Number of rows.
    pub const fn rows(&self) -> u32 {
        self.readings.len() as u32
    }
}
