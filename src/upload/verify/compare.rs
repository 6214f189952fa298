//! A day of a kind, as it was sent and as the cloud has it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sums;
use crate::cloud::DayOfValues;
use crate::measurement::{Day, Kind, Reading, UnixSeconds};
use crate::outbox::{LogKey, Repair, SentDay};
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
    /// Rows that were sent and are no longer kept here: of these only their number and the sum of their hashes is known.
    #[serde(default)]
    pub freed: u64,
    /// What it comes to.
    #[serde(default, flatten)]
    pub verdict: Verdict,
}

/// What a comparison comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The cloud has everything that it was sent.
    #[default]
    Same,
    /// It has fewer rows, and those it has are right.
    Fewer {
        /// So many fewer.
        rows: u64,
    },
    /// It has other values.
    Differs,
    /// Whether it has everything cannot be told.
    Unsure {
        /// Why not.
        because: String,
    },
}

impl DayCheck {
    /// Whether nothing is known to be missing or different in the cloud.
    pub const fn is_equal(&self) -> bool {
        matches!(self.verdict, Verdict::Same | Verdict::Unsure { .. })
    }
}

/// The rows of a day that were sent.
#[derive(Default)]
pub struct Ours {
    rows: BTreeMap<UnixSeconds, Row>,
    /// The blocks that they are from, in order.
    blocks: Vec<(LogKey, Seq)>,
    /// Blocks before its first row are gone that may have been of this day.
    is_cut: bool,
}

/// How far a row is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is what was sent.
    Whole,
    /// It is the last that was sent, and may be sent again with what comes next.
    Open,
    /// It is the first that is left, and may have held more.
    Cut,
}

struct Row {
    reading: Reading,
    place: (LogKey, Seq),
    /// What another log has for the same second: which of the two was sent last is not known here.
    other: Option<Reading>,
    known: Known,
}

impl Ours {
    /// Adds a row; a later one for the same second takes its place, as in the cloud.
    pub fn add(&mut self, log: LogKey, seq: Seq, reading: Reading, known: Known) {
        self.is_cut |= known == Known::Cut;
        if self.blocks.last() != Some(&(log, seq)) {
            self.blocks.push((log, seq));
        }
        let at = reading.at;
        let before = self.rows.remove(&at);
        let other =
            before.and_then(|before| if before.place.0 == log { before.other } else { Some(before.reading) });
        self.rows.insert(at, Row { reading, place: (log, seq), other, known });
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What differs, and which blocks would mend it. `counted` is what is known of the day beside the rows that are left.
pub fn compare(
    day: Day,
    kind: Kind,
    (ours, counted): (&Ours, &[SentDay]),
    theirs: Vec<DayOfValues>,
) -> (DayCheck, Vec<Repair>) {
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
            Some(held)
                if *held == row.reading || Some(held) == row.other.as_ref() || row.known != Known::Whole =>
            {
                continue;
            }
            Some(_) => changed += 1,
        }
        affected.insert(row.place);
    }
    let is_cut_off = |(at, row): &(&UnixSeconds, &Row)| row.known == Known::Cut && !theirs.contains_key(at);
    let cut_missing = ours.rows.iter().filter(is_cut_off).count() as u64;
    let extra = theirs.keys().filter(|at| !ours.rows.contains_key(at)).count() as u64;
    let rest = Rest::of(ours, counted, &theirs);
    let verdict = match rest.verdict(ours, counted, &theirs) {
        _ if changed > 0 => Verdict::Differs,
        // The row that was cut is among those that are gone.
        Verdict::Fewer { rows } => Verdict::Fewer { rows: rows + missing - cut_missing },
        Verdict::Differs => Verdict::Differs,
        _ if missing > 0 => Verdict::Fewer { rows: missing },
        verdict => verdict,
    };
    let check = DayCheck {
        day,
        kind,
        sent: ours.rows.len() as u64 + rest.freed,
        cloud: theirs.len() as u64,
        sent_sha256: hash(ours.rows.values().map(|row| &row.reading)),
        cloud_sha256: hash(theirs.values()),
        missing,
        changed,
        extra: extra.saturating_sub(rest.freed),
        repairs: 0,
        freed: rest.freed,
        verdict,
    };
    (check, repairs(kind, &ours.blocks, &affected))
}

/// Rows that were sent and are gone here, and what the cloud has beside those that are left.
#[derive(Clone, Copy, Debug)]
struct Rest {
    freed: u64,
    freed_sum: u128,
    there: u64,
    there_sum: u128,
}

impl Rest {
    fn of(ours: &Ours, counted: &[SentDay], theirs: &BTreeMap<UnixSeconds, Reading>) -> Self {
        let rows: u64 = counted.iter().map(|day| day.rows).sum();
        let sent = counted.iter().map(|day| day.sum).fold(0, u128::wrapping_add);
        let freed = rows.saturating_sub(ours.rows.len() as u64);
        // What the first row was that is left is not known either.
        let is_left = |at: &UnixSeconds| ours.rows.get(at).is_some_and(|row| row.known != Known::Cut);
        let left = ours.rows.values().filter(|row| row.known != Known::Cut).map(|row| &row.reading);
        let there = || theirs.values().filter(|row| !is_left(&row.at));
        Self {
            freed,
            freed_sum: sent.wrapping_sub(sums::sum(left)),
            there: there().count() as u64,
            there_sum: sums::sum(there()),
        }
    }

    fn verdict(&self, ours: &Ours, counted: &[SentDay], theirs: &BTreeMap<UnixSeconds, Reading>) -> Verdict {
        let unsure = |because: &str| Verdict::Unsure { because: because.to_owned() };
        if self.freed == 0 {
            return if counted.is_empty() && ours.is_cut {
                unsure("some of it may have been sent and freed before nowbridge kept count")
            } else {
                Verdict::Same
            };
        }
        let sent = counted.iter().map(|day| day.sum).fold(0, u128::wrapping_add);
        let rows: u64 = counted.iter().map(|day| day.rows).sum();
        if theirs.len() as u64 == rows && sums::sum(theirs.values()) == sent {
            return Verdict::Same;
        }
        let cut = ours.rows.values().filter(|row| row.known == Known::Cut).count() as u64;
        let gone = self.freed + cut;
        match self.there {
            there if there == gone && self.there_sum == self.freed_sum => Verdict::Same,
            _ if counted.iter().any(|day| !day.exact) => {
                unsure("some of what was freed was sent out of turn, so that it may be counted twice")
            }
            _ if counted.len() > 1 => {
                unsure("what was freed is of more than one log, and they may have shared seconds")
            }
            there if there < gone => Verdict::Fewer { rows: gone - there },
            there if there == gone => Verdict::Differs,
            _ => unsure(
                "the cloud has more rows than were sent from here, so that those that were freed cannot be told from them",
            ),
        }
    }
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
    for row in rows {
        hash.update(sums::line(row));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{Quality, Value};

    const DAY: Day = Day::from_number(20_000);
    const KIND: Kind = Kind::HeartRate;

    fn row(second: i64, value: i64) -> Reading {
        let at = UnixSeconds(DAY.at(0).0 + second);
        Reading { at, value: Value::Integer(value), quality: Some(Quality::BEST) }
    }

    fn rows(seconds: std::ops::Range<i64>) -> Vec<Reading> {
        seconds.map(|second| row(second, second)).collect()
    }

    fn counted(rows: &[Reading], exact: bool) -> SentDay {
        let (rows, sum) = (rows.len() as u64, sums::sum(rows));
        SentDay { log: LogKey(1), kind: KIND, day: DAY, rows, sum, exact }
    }

    /// A hundred rows were sent; those from `left` on are still here.
    fn verdict(left: i64, exact: bool, theirs: Vec<Reading>) -> Verdict {
        let mut ours = Ours::default();
        for row in rows(left..100) {
            let known =
                if row.at == DAY.at(0) || row.at.0 > DAY.at(0).0 + left { Known::Whole } else { Known::Cut };
            ours.add(LogKey(1), Seq(9), row, known);
        }
        let theirs = DayOfValues { kind: KIND, day: DAY, count: theirs.len() as u64, readings: theirs };
        compare(DAY, KIND, (&ours, &[counted(&rows(0..100), exact)]), vec![theirs]).0.verdict
    }

    #[test]
    fn what_is_gone_is_compared_by_number_and_sum() {
        let all = || rows(0..100);
        let without = |gone: std::ops::Range<i64>| -> Vec<Reading> {
            all().into_iter().filter(|row| !gone.contains(&(row.at.0 - DAY.at(0).0))).collect()
        };
        let with = |other: Reading| {
            [without(other.at.0 - DAY.at(0).0..other.at.0 - DAY.at(0).0 + 1), vec![other]].concat()
        };
        for left in [40, 100] {
            assert_eq!(verdict(left, true, all()), Verdict::Same);
            assert_eq!(verdict(left, true, without(3..8)), Verdict::Fewer { rows: 5 });
            assert_eq!(verdict(left, true, with(row(7, 8))), Verdict::Differs);
            let more = verdict(left, true, [all(), vec![row(700, 7)]].concat());
            assert!(matches!(more, Verdict::Unsure { .. }), "{more:?}");
            assert!(matches!(verdict(left, false, without(3..8)), Verdict::Unsure { .. }));
            assert_eq!(verdict(left, false, all()), Verdict::Same);
        }
        assert_eq!(verdict(40, true, without(30..60)), Verdict::Fewer { rows: 30 });
        assert_eq!(verdict(40, true, with(row(77, 1))), Verdict::Differs);
        assert_eq!(
            verdict(40, false, without(50..60)),
            Verdict::Fewer { rows: 10 },
            "what is here is told in any case"
        );
    }
}
