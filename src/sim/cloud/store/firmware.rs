//! Firmware and what it is for.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::sim::cloud::PrivateCloudError;
use crate::sim::cloud::secrets::{Sha, random};

/// Firmware on its way in.
pub(in crate::sim::cloud) struct NewFirmware {
    pub product: String,
    pub hardware: Vec<String>,
    pub version: String,
    pub channel: String,
    pub notes: Option<String>,
    pub sha256: Sha,
    pub manifest: Option<Vec<u8>>,
    pub signature: Option<Vec<u8>>,
    pub file: Vec<u8>,
}

/// What is kept, without the bytes.
pub(in crate::sim::cloud) struct FirmwareRow {
    pub id: i64,
    pub product: String,
    pub hardware: Vec<String>,
    pub version: String,
    pub channel: String,
    pub notes: Option<String>,
    pub sha256: Sha,
    pub size: u64,
    pub has_manifest: bool,
    pub has_signature: bool,
}

/// One of the files of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim::cloud) enum Piece {
    File,
    Manifest,
    Signature,
}

impl Piece {
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Manifest => "manifest",
            Self::Signature => "signature",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::File, Self::Manifest, Self::Signature].into_iter().find(|piece| piece.name() == name)
    }
}

/// Keeps it; `None` if there is such a version in that channel already.
pub(in crate::sim::cloud) fn add_firmware(
    tx: &Transaction<'_>,
    new: &NewFirmware,
    now_ms: i64,
) -> Result<Option<i64>, PrivateCloudError> {
    let hardware = serde_json::Value::from(new.hardware.clone()).to_string();
    let added = tx.execute(
        "INSERT INTO firmware (product, hardware, version, channel, notes, sha256, manifest, signature, created_ms, file)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        params![
            new.product, hardware, new.version, new.channel, new.notes, new.sha256, new.manifest, new.signature, now_ms,
            new.file
        ],
    )?;
    Ok((added > 0).then(|| tx.last_insert_rowid()))
}

/// All of it, or all for one product.
pub(in crate::sim::cloud) fn list_firmware(
    tx: &Transaction<'_>,
    product: Option<&str>,
) -> Result<Vec<FirmwareRow>, PrivateCloudError> {
    let sql =
        "SELECT id, product, hardware, version, channel, notes, sha256, length(file), manifest IS NOT NULL,
                      signature IS NOT NULL
               FROM firmware WHERE ?1 IS NULL OR product = ?1 ORDER BY id";
    let read = |row: &Row<'_>| {
        Ok(FirmwareRow {
            id: row.get(0)?,
            product: row.get(1)?,
            // Only arrays of texts are ever stored.
            hardware: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
            version: row.get(3)?,
            channel: row.get(4)?,
            notes: row.get(5)?,
            sha256: row.get(6)?,
            size: row.get::<_, i64>(7)?.unsigned_abs(),
            has_manifest: row.get(8)?,
            has_signature: row.get(9)?,
        })
    };
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([product], read)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

/// The bytes of one piece.
pub(in crate::sim::cloud) fn piece(
    tx: &Transaction<'_>,
    id: i64,
    piece: Piece,
) -> Result<Option<Vec<u8>>, PrivateCloudError> {
    let sql = format!("SELECT {} FROM firmware WHERE id = ?1", piece.name());
    let found = tx.query_row(&sql, [id], |row| row.get::<_, Option<Vec<u8>>>(0)).optional()?;
    Ok(found.flatten())
}

/// Whether there was such an entry.
pub(in crate::sim::cloud) fn remove_firmware(
    tx: &Transaction<'_>,
    id: i64,
) -> Result<bool, PrivateCloudError> {
    Ok(tx.execute("DELETE FROM firmware WHERE id = ?1", [id])? > 0)
}

/// What addresses are sealed with; made the first time.
pub(in crate::sim::cloud) fn seal(tx: &Transaction<'_>) -> Result<Sha, PrivateCloudError> {
    if let Some(key) = tx.query_row("SELECT key FROM seal", [], |row| row.get(0)).optional()? {
        return Ok(key);
    }
    let key = random()?;
    tx.execute("INSERT INTO seal (key) VALUES (?1)", [key])?;
    Ok(key)
}
