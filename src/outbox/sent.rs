//! What a sink was sent, down to the sample.

use std::ops::Range;

use rusqlite::{Row, Transaction, params};

use super::export::timeline;
use super::{Log, LogKey, Outbox, OutboxError, SinkName, logs};
use crate::measurement::{Kind, Timeline};
use crate::wire::bridge::{Boot, LogId, Seq};

/// What was sent of a kind of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The log.
    pub log: Log,
    /// Whether another log has begun in its place.
    pub ended: bool,
    /// Whether blocks of it are gone that were there.
    pub emptied: bool,
    /// What it was sent as.
    pub kind: Kind,
    /// Every block up to here,
    through: Seq,
    /// and so many samples of the next,
    into_next: u32,
    /// but not these.
    except: Vec<Except>,
}

/// A range that was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Except {
    first: Seq,
    skip: u32,
    last: Seq,
    upto: Option<u32>,
}

impl Sent {
    /// The last block of which anything was sent.
    pub const fn last(&self) -> Seq {
        if self.into_next > 0 { self.through.next() } else { self.through }
    }

    /// Which of the samples of a block were sent.
    pub fn of_block(&self, seq: Seq, samples: usize) -> Vec<Range<usize>> {
        let end = match seq {
            _ if seq <= self.through => samples,
            _ if seq == self.last() => samples.min(self.into_next as usize),
            _ => 0,
        };
        let mut kept = Vec::from_iter(Some(0..end));
        for except in self.except.iter().filter(|except| (except.first..=except.last).contains(&seq)) {
            let from = if seq == except.first { except.skip as usize } else { 0 };
            let to = except.upto.filter(|_| seq == except.last).map_or(samples, |upto| upto as usize);
            let without =
                |range: Range<usize>| [range.start..range.end.min(from), range.start.max(to)..range.end];
            kept = kept.into_iter().flat_map(without).collect();
            kept.retain(|range| range.start < range.end);
        }
        kept.retain(|range| range.start < range.end);
        kept
    }
}

impl Outbox {
    /// What a sink was sent, of each kind of each log.
    pub async fn sent(&self, sink: &SinkName) -> Result<Vec<Sent>, OutboxError> {
        let sink = sink.clone();
        self.read(move |tx| {
            let logs = logs::all(tx)?;
            let side = |log: &Log| (log.device, log.log_id == LogId::HOST);
            let mut all = Vec::new();
            for log in &logs {
                let ended = logs.iter().any(|other| side(other) == side(log) && other.key > log.key);
                let mut removed = tx.prepare_cached(sql!("log_removed_through"))?;
                let emptied = removed.query_row([log.key], |row| row.get::<_, Seq>(0))? > Seq(0);
                let mut cursors = tx.prepare_cached(sql!("upload_sent"))?;
                let cursors = cursors.query_map(params![sink, log.key], |row| {
                    Ok((row.get("kind")?, row.get("through_seq")?, row.get("into_next")?))
                })?;
                for cursor in cursors {
                    let (kind, through, into_next) = cursor?;
                    let except = except(tx, &sink, log.key, kind)?;
                    all.push(Sent { log: *log, ended, emptied, kind, through, into_next, except });
                }
            }
            Ok(all)
        })
        .await
    }

    /// What dates everything between two moments of a log.
    pub async fn timeline(
        &self,
        log: LogKey,
        ended: bool,
        first: (Boot, u64),
        last: (Boot, u64),
    ) -> Result<Timeline, OutboxError> {
        self.read(move |tx| timeline(tx, log, ended, first, last)).await
    }
}

fn except(tx: &Transaction<'_>, sink: &SinkName, log: LogKey, kind: Kind) -> rusqlite::Result<Vec<Except>> {
    let mut list = tx.prepare_cached(sql!("sent_except"))?;
    let read = |row: &Row<'_>| {
        Ok(Except {
            first: row.get("first_seq")?,
            skip: row.get("skip")?,
            last: row.get("last_seq")?,
            upto: row.get("upto")?,
        })
    };
    list.query_map(params![sink, log, kind], read)?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bridge::DeviceId;

    #[test]
    fn what_was_not_sent_is_cut_out_to_the_sample() {
        let log = Log {
            key: LogKey(1),
            device: DeviceId([1; 16]),
            log_id: LogId(1),
            era: 1,
            synthetic: false,
            cursor: Seq(9),
            adrift: false,
        };
        let except = |first, skip, last, upto| Except { first: Seq(first), skip, last: Seq(last), upto };
        let sent = Sent {
            log,
            ended: false,
            emptied: false,
            kind: Kind::HeartRate,
            through: Seq(7),
            into_next: 4,
            except: vec![except(2, 0, 2, None), except(3, 5, 3, Some(6)), except(4, 8, 6, Some(2))],
        };
        let of = |seq| sent.of_block(Seq(seq), 10).iter().map(|it| (it.start, it.end)).collect::<Vec<_>>();
        assert_eq!([of(1), of(7)], [[(0, 10)], [(0, 10)]]);
        assert!([of(2), of(5), of(9)].iter().all(Vec::is_empty));
        assert_eq!(of(3), [(0, 5), (6, 10)]);
        assert_eq!([of(4), of(6), of(8)], [[(0, 8)], [(2, 10)], [(0, 4)]]);
    }
}
