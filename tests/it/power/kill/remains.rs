//! What a killed daemon leaves on the disk, read without any of its code: from a copy of the files, with plain SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::ledger::Ledger;

/// The outbox as it lies there.
#[derive(Debug, Default)]
pub struct Remains {
    cursor: u32,
    /// Stream and bytes of each block.
    blocks: BTreeMap<u32, (u8, Vec<u8>)>,
    /// How far each kind was confirmed by the cloud.
    through: BTreeMap<u8, u32>,
    pub batches: Vec<BatchRow>,
    pub gaps: u64,
    pub dead: u64,
}

/// A batch on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    pub kind: u8,
    /// First and last block, and the samples left out of them.
    pub range: (u32, u32, u32, Option<u32>),
    pub key: String,
    pub state: String,
    pub rows: u64,
}

impl Remains {
    /// Reads the outbox in `dir`; one that is not born yet is empty. The copy is opened, so that the daemon finds its files as it
    /// left them.
    pub fn of(dir: &Path) -> Self {
        let copy = TempDir::new().unwrap();
        for name in ["outbox.db", "outbox.db-wal"] {
            match fs::copy(dir.join(name), copy.path().join(name)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
        let path = copy.path().join("outbox.db");
        if path.exists() { Self::read(&Connection::open(path).unwrap()).unwrap() } else { Self::default() }
    }

    fn read(db: &Connection) -> rusqlite::Result<Self> {
        let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        assert_eq!(check, "ok");
        let count = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
        let cursor = db.query_row("SELECT coalesce(max(cursor), 0) FROM log", [], |row| row.get(0))?;
        let mut blocks = db.prepare("SELECT seq, stream, body FROM block")?;
        let blocks = blocks.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        let mut through = db.prepare("SELECT kind, min(through_seq) FROM upload_cursor GROUP BY kind")?;
        let through = through.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut batches = db.prepare(
            "SELECT kind, first_seq, last_seq, skip, upto, idempotency_key, state, rows FROM batch ORDER BY id",
        )?;
        let batches = batches.query_map([], |row| {
            Ok(BatchRow {
                kind: row.get(0)?,
                range: (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?),
                key: row.get(5)?,
                state: row.get(6)?,
                rows: row.get::<_, i64>(7)?.cast_unsigned(),
            })
        })?;
        Ok(Self {
            cursor,
            blocks: blocks.collect::<rusqlite::Result<_>>()?,
            through: through.collect::<rusqlite::Result<_>>()?,
            batches: batches.collect::<rusqlite::Result<_>>()?,
            gaps: count("SELECT count(*) FROM gap")?,
            dead: count("SELECT count(*) FROM dead")?,
        })
    }

    /// Everything that the watch was told is safe is here, byte by byte; what was freed since, the cloud has confirmed. No range of
    /// blocks has two keys.
    pub fn assert_keeps(&self, ledger: &Ledger, when: &str) {
        assert!(
            self.cursor >= ledger.acked,
            "{when}: {} was acknowledged, stored {}",
            ledger.acked,
            self.cursor
        );
        for (seq, given) in ledger.given.range(..=ledger.acked) {
            match self.blocks.get(seq) {
                Some((_, kept)) => assert_eq!(kept, given, "{when}: block {seq} is another"),
                None => assert!(
                    self.was_confirmed(*seq, given),
                    "{when}: block {seq} was acknowledged and is lost"
                ),
            }
        }
        let mut ranges = BTreeSet::new();
        for batch in &self.batches {
            assert!(
                ranges.insert((batch.kind, batch.range)),
                "{when}: two keys for the same blocks: {batch:?}"
            );
        }
    }

    fn was_confirmed(&self, seq: u32, block: &bytes::Bytes) -> bool {
        let block = nowbridge::wire::bridge::RawBlock::parse(block.clone()).unwrap();
        let kind = block.header().stream.kind();
        kind.is_some_and(|kind| self.through.get(&kind.code()).is_some_and(|through| seq <= *through))
    }
}
