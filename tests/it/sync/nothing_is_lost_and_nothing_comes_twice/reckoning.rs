//! The reckoning: the watch's diary of every block that it ever sealed, against the database file.

use std::collections::BTreeMap;

use bytes::Bytes;
use nowbridge::sim::watch::{Diary, SimWatch};
use nowbridge::wire::bridge::{LogId, LogStore, RawBlock, Seq, Stream};

use crate::support::sync::StoredLog;
use crate::support::watch::offered;

/// Holds everything against everything. `wiped` says how far the logs that are no more had been overwritten. Returns how many
/// blocks were sealed, and how many numbers the host calls overwritten and burned.
pub fn reckon(watch: &mut SimWatch, wiped: &BTreeMap<LogId, Seq>, logs: &[StoredLog]) -> (u64, u64, u64) {
    let diary = watch.diary();
    let info = watch.info();
    let here = logs.iter().find(|log| log.log_id == info.log_id).expect("the present log was collected");
    assert_eq!((here.cursor, info.acked), (info.head, info.head), "something is still on the watch");
    for (seq, bytes) in offered(watch) {
        assert_eq!(here.blocks.get(&seq), Some(&bytes), "block {seq} is on the watch and not in the store");
    }
    check_diary(watch, &diary);

    let (mut overwritten, mut burned) = (0, 0);
    for log in logs {
        assert_eq!(log.era, 1, "a sound watch's counter does not go back");
        let sealed: BTreeMap<Seq, &Bytes> =
            diary.iter().filter(|((id, _), _)| *id == log.log_id).map(|((_, seq), b)| (*seq, b)).collect();
        let tail = if log.log_id == info.log_id { info.tail } else { wiped[&log.log_id] };
        let gaps = named_numbers(log);
        for (seq, cause) in &gaps {
            match *cause {
                "overwritten" => overwritten += 1,
                "burned" => burned += 1,
                other => panic!("{seq} of a sound watch is called {other}"),
            }
            let allowed = if *cause == "burned" { !sealed.contains_key(seq) } else { *seq < tail };
            assert!(allowed, "{seq} is called {cause}; sealed: {}, tail {tail}", sealed.contains_key(seq));
        }
        check_blocks(log, &sealed, &gaps);
    }
    (diary.len() as u64, overwritten, burned)
}

/// Each number that is in a gap, once, with its cause.
fn named_numbers(log: &StoredLog) -> BTreeMap<Seq, &str> {
    let mut named = BTreeMap::new();
    for (from, to, cause) in &log.gaps {
        for seq in from.0..=to.0 {
            let before = named.insert(Seq(seq), cause.as_str());
            assert_eq!(before, None, "{seq} is in two gaps");
        }
    }
    named
}

/// Every number up to the cursor is a block of the diary or in a gap, and never both.
fn check_blocks(log: &StoredLog, sealed: &BTreeMap<Seq, &Bytes>, gaps: &BTreeMap<Seq, &str>) {
    for (seq, block) in &log.blocks {
        assert_eq!(sealed.get(seq), Some(&block), "block {seq} is not what the watch sealed");
        assert!(!gaps.contains_key(seq), "{seq} is stored and in a gap");
    }
    let explained = (log.blocks.len() + gaps.len()) as u64;
    assert_eq!(explained, u64::from(log.cursor.0), "numbers up to {} without a trace", log.cursor);
    let samples: u64 = log.blocks.values().map(samples_in).sum();
    assert_eq!(log.samples, samples, "the columns and the blocks disagree");
}

/// The diary itself is whole: what was recorded since the last reset was sealed, is in RAM, or went with the power.
fn check_diary(watch: &SimWatch, diary: &Diary) {
    let counts = watch.ledger().counts;
    let present = diary.iter().filter(|((log_id, _), _)| *log_id == watch.log_id());
    let sealed: u64 = present.map(|(_, block)| samples_in(block)).sum();
    assert_eq!(counts.recorded, sealed + counts.in_ram + counts.lost_in_ram);
}

fn samples_in(block: &Bytes) -> u64 {
    let block = RawBlock::parse(block.clone()).unwrap();
    if block.header().stream == Stream::ANCHORS { 0 } else { block.header().n.into() }
}
