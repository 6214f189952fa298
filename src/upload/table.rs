//! The table of a batch: rows as CSV, its hash, and the zip that is sent.

use sha2::{Digest, Sha256};

use super::archive::zipped;
use super::readings::Rows;
use crate::measurement::{Kind, csv};

/// A table that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What the rows are.
    pub kind: Kind,
    /// Number of rows.
    pub rows: u32,
    /// Of the CSV: what tells whether a retry sends the same.
    pub csv_sha256: [u8; 32],
    /// Bytes of the CSV.
    pub csv_bytes: u64,
    /// What is sent.
    pub zip: Vec<u8>,
}

/// A table that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The rows.
    #[error(transparent)]
    Csv(#[from] csv::TableError),
    /// The archive.
    #[error("the archive cannot be made: {0}")]
    Zip(#[from] zip::result::ZipError),
}

impl Table {
    /// Writes the rows as CSV, hashes and zips them.
    pub fn new(kind: Kind, rows: &Rows) -> Result<Self, TableError> {
        let mut text = Vec::with_capacity(rows.readings.len() * 20 + 64);
        csv::write(kind, &rows.readings, &mut text)?;
        Ok(Self {
            kind,
            rows: rows.readings.len() as u32,
            csv_sha256: Sha256::digest(&text).into(),
            csv_bytes: text.len() as u64,
            zip: zipped(&format!("{kind}.csv"), &text)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{Quality, Reading, UnixSeconds, Value};

    #[test]
    fn equal_rows_make_equal_bytes() {
        let readings = (0..500).map(|second| Reading {
            at: UnixSeconds(1_672_531_200 + second),
            value: Value::Integer(60 + second % 7),
            quality: Some(Quality::BEST),
        });
        let rows = Rows { readings: readings.collect(), samples: 500, folded: 0 };
        let table = Table::new(Kind::HeartRate, &rows).unwrap();
        assert_eq!(table, Table::new(Kind::HeartRate, &rows).unwrap());
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&table.zip)).unwrap();
        let entry = archive.by_index(0).unwrap();
        assert_eq!(entry.name().unwrap(), "HEART_RATE.csv");
        assert_eq!(csv::read(Kind::HeartRate, entry).unwrap(), rows.readings);
    }
}
