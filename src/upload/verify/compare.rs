//! A day of a kind, as it was sent and as the cloud has it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cloud::DayOfValues;
use crate::measurement::{Day, Kind, Reading, UnixSeconds};
use crate::outbox::{LogKey, Repair};
use crate::wire::bridge::Seq;

/// What came of a day of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCheck {
    /// The UTC day.
    #[serde(with = "as_text")]
    pub day: Day,
    /// The kind.
    pub kind: Kind,
    /// Rows that were sent.
    pub sent: u64,
    /// Rows that the cloud has.
    pub cloud: u64,
    /// SHA-256 over a line `second,value,quality` for each row that was sent.
    pub sent_sha256: String,
    /// The same over what the cloud has.
    pub cloud_sha256: String,
    /// Rows that were sent and the cloud does not have.
    pub missing: u64,
    /// Rows that it has with another value or quality.
    pub changed: u64,
    /// Rows that only the cloud has.
    pub extra: u64,
    /// Ranges of blocks that are asked to be sent again.
    pub repairs: u64,
}

impl DayCheck {
    /// Whether the cloud has everything that it was sent.
    pub const fn is_equal(&self) -> bool {
        self.missing == 0 && self.changed == 0
    }
}

/// The rows of a day that were sent.
#[derive(Default)]
pub struct Ours {
    rows: BTreeMap<UnixSeconds, Row>,
    /// The blocks that they are from, in order.
    blocks: Vec<(LogKey, Seq)>,
}

struct Row {
    reading: Reading,
    place: (LogKey, Seq),
    /// What another log has for the same second: which of the two was sent last is not known here.
    other: Option<Reading>,
    /// It is the last that was sent, and may be sent again with what comes next.
    is_open: bool,
}

impl Ours {
    /// Adds a row; a later one for the same second takes its place, as in the cloud.
    pub fn add(&mut self, log: LogKey, seq: Seq, reading: Reading, is_open: bool) {
        if self.blocks.last() != Some(&(log, seq)) {
            self.blocks.push((log, seq));
        }
        let at = reading.at;
        let before = self.rows.remove(&at);
        let other =
            before.and_then(|before| if before.place.0 == log { before.other } else { Some(before.reading) });
        self.rows.insert(at, Row { reading, place: (log, seq), other, is_open });
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What differs, and which blocks would mend it.
pub fn compare(day: Day, kind: Kind, ours: &Ours, theirs: Vec<DayOfValues>) -> (DayCheck, Vec<Repair>) {
    let theirs: BTreeMap<UnixSeconds, Reading> = theirs
        .into_iter()
        .filter(|held| held.kind == kind)
        .flat_map(|held| held.readings)
        .filter(|reading| reading.at.day() == day)
        .map(|reading| (reading.at, reading))
        .collect();
    let (mut missing, mut changed, mut affected) = (0, 0, BTreeSet::new());
    for (at, row) in &ours.rows {
        match theirs.get(at) {
            None => missing += 1,
            Some(held) if *held == row.reading || Some(held) == row.other.as_ref() || row.is_open => continue,
            Some(_) => changed += 1,
        }
        affected.insert(row.place);
    }
    let extra = theirs.keys().filter(|at| !ours.rows.contains_key(at)).count();
    let check = DayCheck {
        day,
        kind,
        sent: ours.rows.len() as u64,
        cloud: theirs.len() as u64,
        sent_sha256: hash(ours.rows.values().map(|row| &row.reading)),
        cloud_sha256: hash(theirs.values()),
        missing,
        changed,
        extra: extra as u64,
        repairs: 0,
    };
    (check, repairs(kind, &ours.blocks, &affected))
}

/// Blocks that follow on each other become one range.
fn repairs(kind: Kind, blocks: &[(LogKey, Seq)], affected: &BTreeSet<(LogKey, Seq)>) -> Vec<Repair> {
    let is_run =
        |a: &(LogKey, Seq), b: &(LogKey, Seq)| a.0 == b.0 && affected.contains(a) == affected.contains(b);
    let runs = blocks.chunk_by(is_run).filter(|run| affected.contains(&run[0]));
    runs.map(|run| Repair { log: run[0].0, kind, first: run[0].1, last: run[run.len() - 1].1 }).collect()
}

fn hash<'a>(rows: impl Iterator<Item = &'a Reading>) -> String {
    let mut hash = Sha256::new();
    for Reading { at, value, quality } in rows {
        let quality = quality.map(|quality| quality.to_string()).unwrap_or_default();
        hash.update(format!("{},{value},{quality}\n", at.0));
    }
    hex::encode(hash.finalize())
}

/// A day as people write it.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::measurement::Day;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how serde calls it")]
    pub fn serialize<S: Serializer>(day: &Day, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(day)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
