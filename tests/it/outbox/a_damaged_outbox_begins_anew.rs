//! Damage never stops the daemon and deletes nothing: the damaged file is kept, a new one begins, and what can be read is fetched.

use std::fs;
use std::path::Path;

use nowbridge::clock::Clock;
use nowbridge::measurement::Kind;
use nowbridge::measurement::Quality;
use nowbridge::outbox::{
    ErrandWhy, ForgetOptions, GapCause, Limits, NewBlock, Outbox, OutboxError, Repair, Salvage,
};
use nowbridge::wire::bridge::{BlockHeader, Boot, DeviceId, LogId, Sample, Seq, Stream, seal};
use tempfile::TempDir;

use crate::support::outbox::{Opened, WATCH, batch, cloud, open, receipt};

/// Bytes in a page of a new database.
const PAGE: usize = 2_048;
const BLOCKS: u32 = 2_000;
const SENT: u32 = 500;

/// A block as a watch seals it: its checksum is what tells a whole one after damage.
fn sealed(seq: u32) -> NewBlock {
    let at_ms = u64::from(seq) * 60_000;
    let samples: Vec<_> = (0..60_u32).map(|i| sample(at_ms, seq, i)).collect();
    let body = seal(Seq(seq), Boot(1), Stream::HEART_RATE, &samples);
    NewBlock { seq: Seq(seq), boot: Boot(1), t0_ms: at_ms, stream: Stream::HEART_RATE, samples: 60, body }
}

fn sample(t0_ms: u64, seq: u32, i: u32) -> Sample {
    let value = 60 + ((seq * 7 + i * 13) % 90).cast_signed();
    Sample { at_ms: t0_ms + u64::from(i) * 1_000, value, quality: Quality::DOUBTFUL }
}

/// A closed outbox with blocks, of which some were sent.
async fn closed() -> (TempDir, uuid::Uuid) {
    let it = Opened::new().await;
    it.outbox.append(it.log.key, it.session, (1..=BLOCKS).map(sealed).collect(), vec![]).await.unwrap();
    let sent = it.outbox.persist_batch(batch(it.log.key, 1, SENT)).await.unwrap();
    it.outbox.settle(sent.key, receipt()).await.unwrap();
    let queue = it.outbox.queue_id();
    it.outbox.close().await.unwrap();
    (it.dir, queue)
}

/// Overwrites these pages, counted from 0.
fn damage(dir: &Path, pages: impl IntoIterator<Item = usize>) {
    let file = dir.join("outbox.db");
    let mut bytes = fs::read(&file).unwrap();
    for page in pages {
        bytes[page * PAGE..(page + 1) * PAGE].fill(0xA5);
    }
    fs::write(&file, bytes).unwrap();
}

/// The first pages of these tables and indexes, counted from 0.
fn roots(dir: &Path, names: &[&str]) -> Vec<usize> {
    let file = rusqlite::Connection::open(dir.join("outbox.db")).unwrap();
    let root = |name: &&str| {
        let query = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        file.query_row(query, [name], |row| row.get::<_, i64>(0)).unwrap() as usize - 1
    };
    names.iter().map(root).collect()
}

/// The page of this block, or of one soon after it that lies at the rim of the tree: in this table, inner pages hold blocks, too, and what
/// hangs below one goes with it.
fn page_of(dir: &Path, seq: u32) -> usize {
    const LEAF: u8 = 0x0A;
    let bytes = fs::read(dir.join("outbox.db")).unwrap();
    let page = |seq: u32| {
        let body = sealed(seq).body;
        bytes.windows(body.len()).position(|window| window == body).unwrap() / PAGE
    };
    (seq..=BLOCKS).map(page).find(|page| bytes[page * PAGE] == LEAF).unwrap()
}

async fn numbers(outbox: &Outbox) -> Vec<u32> {
    let log = outbox.logs().await.unwrap()[0].key;
    let blocks = outbox.blocks(log, Stream::HEART_RATE, Seq(0)..=Seq(u32::MAX), u32::MAX).await.unwrap();
    blocks.iter().map(|block| block.seq.0).collect()
}

#[tokio::test]
async fn a_lost_page_costs_the_blocks_on_it_and_each_is_named() {
    let (dir, queue) = closed().await;
    damage(dir.path(), [page_of(dir.path(), 300), page_of(dir.path(), 1_200)]);
    let outbox = open(dir.path()).await.unwrap();
    assert_ne!(outbox.queue_id(), queue);
    assert!(dir.path().join("outbox.db.corrupt-1").exists());

    // Before any block is fetched: what was sent is known, and what comes now gets other numbers' era.
    let logs = outbox.logs().await.unwrap();
    assert_eq!(
        logs.iter().map(|log| (log.era, log.cursor)).collect::<Vec<_>>(),
        [(1, Seq(BLOCKS)), (2, Seq(BLOCKS))]
    );
    assert_eq!(outbox.receipts(9).await.unwrap().len(), 1);
    let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
    outbox.append(log.key, session, vec![sealed(BLOCKS + 1)], vec![]).await.unwrap();

    let salvage = outbox.salvage().await.unwrap().unwrap();
    assert!(salvage.done && salvage.lost > 0 && salvage.lost < 200, "{salvage:?}");
    assert_eq!(salvage.blocks + salvage.lost, u64::from(BLOCKS));
    let numbers = numbers(&outbox).await;
    assert_eq!(numbers.len() as u64, salvage.blocks);
    let gaps = outbox.gaps(99).await.unwrap();
    for seq in (1..=BLOCKS).filter(|seq| numbers.binary_search(seq).is_err()) {
        let named =
            gaps.iter().any(|gap| gap.cause == GapCause::Corrupt && (gap.from.0..=gap.to.0).contains(&seq));
        assert!(named, "block {seq} is lost without a word");
    }
    let backlog = outbox.backlog(&cloud()).await.unwrap();
    assert!(backlog.iter().find(|waiting| waiting.log == logs[0].key).unwrap().unsent_from > Seq(SENT));
    let summary = outbox.summary(&cloud()).await.unwrap();
    assert_eq!(summary.salvage, Some(salvage.clone()));

    // It is done once and for all.
    outbox.close().await.unwrap();
    let again = open(dir.path()).await.unwrap();
    assert_eq!(again.salvage().await.unwrap(), Some(salvage));
    assert!(!dir.path().join("outbox.db.corrupt-2").exists());
}

#[tokio::test]
async fn whoever_only_looks_moves_nothing() {
    let (dir, _) = closed().await;
    damage(dir.path(), [page_of(dir.path(), 300)]);
    let look = || Outbox::open_to_look(dir.path(), Clock::System, Limits::default());
    let damaged = fs::read(dir.path().join("outbox.db")).unwrap();
    let error = look().await.unwrap_err();
    assert!(matches!(error, OutboxError::Corrupt { .. }), "{error}");
    assert!(!dir.path().join("outbox.db.corrupt-1").exists());
    assert_eq!(fs::read(dir.path().join("outbox.db")).unwrap(), damaged);
    // One that is empty was not always so.
    fs::write(dir.path().join("outbox.db"), []).unwrap();
    let error = look().await.unwrap_err();
    assert!(matches!(error, OutboxError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_was_cut_off_gives_what_is_left_of_it() {
    let (dir, _) = closed().await;
    let file = dir.path().join("outbox.db");
    let length = fs::metadata(&file).unwrap().len();
    fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(length / 5 * 4 / PAGE as u64 * PAGE as u64)
        .unwrap();
    let outbox = open(dir.path()).await.unwrap();
    let salvage = outbox.salvage().await.unwrap().unwrap();
    assert!(salvage.done && salvage.blocks > 300, "{salvage:?}");
    assert_eq!(salvage.blocks + salvage.lost, u64::from(BLOCKS), "{salvage:?}");
}

#[tokio::test]
async fn a_beginning_that_was_wiped_out_costs_the_ledger_and_no_block() {
    let (dir, queue) = closed().await;
    let file = dir.path().join("outbox.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[..PAGE].fill(0);
    fs::write(&file, &bytes).unwrap();
    let outbox = open(dir.path()).await.unwrap();
    assert_ne!(outbox.queue_id(), queue);
    let salvage = outbox.salvage().await.unwrap().unwrap();
    assert!(salvage.done && !salvage.damaged_tables.is_empty(), "{salvage:?}");
    assert_eq!(
        (salvage.blocks, salvage.adrift),
        (BLOCKS.into(), 1),
        "whose they are stood there; they did not"
    );
    assert_eq!(fs::read(dir.path().join("outbox.db.corrupt-1")).unwrap(), bytes, "it is kept as it was");
}

#[tokio::test]
async fn a_log_without_its_database_is_kept_beside_a_new_one() {
    let opened = Opened::new().await;
    opened.append(1..=3).await.unwrap();
    let left = TempDir::new().unwrap();
    for database in [None, Some("")] {
        let log = left.path().join("outbox.db-wal");
        let _ = fs::remove_file(left.path().join("outbox.db"));
        fs::copy(opened.dir.path().join("outbox.db-wal"), &log).unwrap();
        if let Some(empty) = database {
            fs::write(left.path().join("outbox.db"), empty).unwrap();
        }
        open(left.path()).await.unwrap().close().await.unwrap();
    }
    let is_kept = |name: &str| fs::metadata(left.path().join(name)).is_ok_and(|file| file.len() > 0);
    assert!(is_kept("outbox.db.corrupt-1-wal") && is_kept("outbox.db.corrupt-2-wal"));
}

#[tokio::test]
async fn a_crash_between_moving_aside_and_beginning_anew_loses_nothing() {
    let (dir, _) = closed().await;
    assert!(!Outbox::was_moved_aside(dir.path()));
    fs::rename(dir.path().join("outbox.db"), dir.path().join("outbox.db.corrupt-1")).unwrap();
    assert!(Outbox::was_moved_aside(dir.path()), "whoever mends finds that there is something to begin");
    let outbox = open(dir.path()).await.unwrap();
    assert_eq!(outbox.salvage().await.unwrap().unwrap().blocks, u64::from(BLOCKS));
    assert_eq!(numbers(&outbox).await.len(), BLOCKS as usize);
    assert!(outbox.gaps(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn damage_that_is_found_in_use_is_looked_after_at_the_next_start() {
    let (dir, _) = closed().await;
    let outbox = open(dir.path()).await.unwrap();
    outbox.check().await.unwrap();
    damage(dir.path(), [page_of(dir.path(), 1_200)]);
    let error = outbox.check().await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    drop(outbox);
    let again = open(dir.path()).await.unwrap();
    assert!(again.salvage().await.unwrap().unwrap().blocks > 1_900);
}

/// Everything there was is stored or named.
fn is_accounted_for(salvage: &Salvage) -> bool {
    salvage.done && salvage.blocks + salvage.lost == u64::from(BLOCKS)
}

#[tokio::test]
async fn the_pages_that_say_whose_the_blocks_are_have_a_copy() {
    let (dir, _) = closed().await;
    damage(dir.path(), roots(dir.path(), &["device", "log"]));
    let outbox = open(dir.path()).await.unwrap();
    let logs = outbox.logs().await.unwrap();
    let said: Vec<_> = logs.iter().map(|log| (log.device, log.log_id, log.era, log.cursor)).collect();
    assert_eq!(said, [(WATCH, LogId(1), 1, Seq(BLOCKS)), (WATCH, LogId(1), 2, Seq(BLOCKS))]);
    assert!(logs.iter().all(|log| !log.adrift && !log.synthetic));
    let salvage = outbox.salvage().await.unwrap().unwrap();
    assert!(is_accounted_for(&salvage) && salvage.lost == 0 && salvage.adrift == 0, "{salvage:?}");
    assert_eq!(salvage.damaged_tables, ["device", "log"]);
    let waiting = outbox.backlog(&cloud()).await.unwrap();
    assert_eq!(waiting[0].unsent_from, Seq(SENT + 1), "what was sent is known");
}

#[tokio::test]
async fn where_the_copy_is_lost_too_every_block_is_kept_and_no_two_watches_are_mixed() {
    const OTHER: DeviceId = DeviceId([8; 16]);
    let (dir, _) = closed().await;
    let outbox = open(dir.path()).await.unwrap();
    let log = outbox.watch_log(OTHER, LogId(1), false, Seq(0)).await.unwrap();
    let session = outbox.begin_session(OTHER, Some(log.key)).await.unwrap();
    outbox.append(log.key, session, (1..=20).map(sealed).collect(), vec![]).await.unwrap();
    outbox.close().await.unwrap();
    let lost = ["device", "sqlite_autoindex_device_1", "log", "sqlite_autoindex_log_1", "log_again"];
    damage(dir.path(), roots(dir.path(), &lost));

    let outbox = open(dir.path()).await.unwrap();
    let salvage = outbox.salvage().await.unwrap().unwrap();
    assert_eq!((salvage.blocks, salvage.lost, salvage.adrift), (u64::from(BLOCKS) + 20, 0, 2), "{salvage:?}");
    let logs = outbox.logs().await.unwrap();
    assert!(
        logs.iter().all(|log| log.adrift && log.synthetic),
        "what may be simulated is not sent: {logs:?}"
    );
    assert!(logs.len() == 2 && logs[0].device != logs[1].device, "{logs:?}");
    assert!(logs.iter().all(|log| ![WATCH, OTHER].contains(&log.device)), "nobody is named at a guess");
    let all = Seq(0)..=Seq(u32::MAX);
    let others = outbox.blocks(logs[1].key, Stream::HEART_RATE, all, u32::MAX).await.unwrap();
    assert_eq!(others.len(), 20);
    let waiting = outbox.backlog(&cloud()).await.unwrap();
    assert_eq!(waiting[0].unsent_from, Seq(SENT + 1), "what was sent is known all the same");
    // The watch comes again, and is none of them.
    let anew = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    assert!(!anew.adrift && anew.cursor == Seq(0) && logs.iter().all(|log| log.key != anew.key));
    assert!(!dir.path().join("outbox.db.corrupt-1.done").exists(), "somebody else may read more in it");
}

#[tokio::test]
async fn what_hangs_below_a_lost_page_is_found() {
    let (dir, _) = closed().await;
    damage(dir.path(), roots(dir.path(), &["block", "stream_index"]));
    let outbox = open(dir.path()).await.unwrap();
    let salvage = outbox.salvage().await.unwrap().unwrap();
    // The first page of a tree that is so large has rows, too.
    assert!(is_accounted_for(&salvage) && salvage.lost < 40, "{salvage:?}");
    assert_eq!(numbers(&outbox).await.len() as u64, salvage.blocks);
}

#[tokio::test]
async fn also_blocks_that_take_several_pages_and_those_that_only_the_log_has() {
    let opened = Opened::new().await;
    let large = |seq: u32| {
        let payload: Vec<u8> = (0..3_000_u32).map(|at| (at * seq % 251) as u8).collect();
        let body = BlockHeader::opaque(Seq(seq), Boot(1), 0, Stream(200), &payload);
        NewBlock { seq: Seq(seq), boot: Boot(1), t0_ms: 0, stream: Stream(200), samples: 1, body }
    };
    let blocks: Vec<NewBlock> = (1..=40).map(large).collect();
    opened.outbox.append(opened.log.key, opened.session, blocks.clone(), vec![]).await.unwrap();
    let left = TempDir::new().unwrap();
    fs::copy(opened.dir.path().join("outbox.db-wal"), left.path().join("outbox.db-wal")).unwrap();
    let outbox = open(left.path()).await.unwrap();
    let salvage = outbox.salvage().await.unwrap().unwrap();
    assert_eq!((salvage.blocks, salvage.lost), (40, 0), "{salvage:?}");
    let log = outbox.logs().await.unwrap()[0].key;
    let stored = outbox.blocks(log, Stream(200), Seq(0)..=Seq(u32::MAX), u32::MAX).await.unwrap();
    assert!(stored.iter().zip(&blocks).all(|(stored, block)| stored.body == block.body));
}

#[tokio::test]
async fn while_blocks_are_yet_to_come_nothing_is_forgotten_and_errands_wait() {
    let (dir, _) = closed().await;
    damage(dir.path(), [page_of(dir.path(), 1_200)]);
    let outbox = open(dir.path()).await.unwrap();
    let log = outbox.logs().await.unwrap()[0].key;
    let repair = Repair { log, kind: Kind::HeartRate, first: Seq(100), last: Seq(400) };
    outbox.ask_repairs(&cloud(), vec![repair]).await.unwrap();
    assert_eq!(outbox.errands(&cloud()).await.unwrap(), [], "half of it would pass for all");
    let options = ForgetOptions { even_unsent: true, and_refetch: false };
    let error = outbox.forget(WATCH, vec![cloud()], options).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("nowbridge outbox salvage"), "{error}");
    outbox.salvage().await.unwrap();
    assert_eq!(outbox.errands(&cloud()).await.unwrap().len(), 1);
    outbox.forget(WATCH, vec![cloud()], options).await.unwrap();
    assert!(outbox.salvage().await.unwrap().unwrap().done);
    assert_eq!(numbers(&outbox).await, [0_u32; 0]);
}

#[tokio::test]
async fn a_backup_fills_the_holes_and_sends_what_nobody_has() {
    let (dir, _) = closed().await;
    let backup = dir.path().join("backup");
    let outbox = open(dir.path()).await.unwrap();
    outbox.backup(&backup).await.unwrap();
    outbox.close().await.unwrap();
    damage(dir.path(), [page_of(dir.path(), 300), page_of(dir.path(), 1_200)]);
    let outbox = open(dir.path()).await.unwrap();
    let salvage = outbox.salvage().await.unwrap().unwrap();
    let (log, there) = (outbox.logs().await.unwrap()[0].key, numbers(&outbox).await);
    let is_lost = |seq: &u32| there.binary_search(seq).is_err();
    let unsent: Vec<u32> = (SENT + 1..=BLOCKS).filter(is_lost).collect();
    assert!(salvage.lost > unsent.len() as u64 && !unsent.is_empty(), "of both: {salvage:?}");
    // The uploader passes the hole.
    let first = there.iter().copied().find(|seq| *seq > SENT).unwrap();
    let passing = outbox.persist_batch(batch(log, first, BLOCKS)).await.unwrap();
    outbox.settle(passing.key, receipt()).await.unwrap();

    let merged = outbox.salvage_from(&backup).await.unwrap();
    assert_eq!((merged.found, merged.filled, merged.lost), (BLOCKS.into(), salvage.lost, 0), "{merged:?}");
    assert_eq!(numbers(&outbox).await.len(), BLOCKS as usize);
    assert_eq!(outbox.gaps(9).await.unwrap(), []);
    let errands = outbox.errands(&cloud()).await.unwrap();
    let said: Vec<_> = errands.iter().map(|it| (it.why, it.span.first.0, it.span.last.0)).collect();
    assert_eq!(
        said,
        [(ErrandWhy::Release, unsent[0], *unsent.last().unwrap())],
        "what was sent is not sent again"
    );
    let held: u64 = outbox.tallies(&cloud()).await.unwrap().iter().map(|tally| tally.held).sum();
    assert_eq!(held, 60 * unsent.len() as u64);
    let again = outbox.salvage_from(&backup).await.unwrap();
    assert_eq!((again.filled, outbox.errands(&cloud()).await.unwrap().len()), (0, 1), "once");
    let nothing = dir.path().join("nothing");
    fs::write(&nothing, "no database").unwrap();
    let error = outbox.salvage_from(&nothing).await.unwrap_err();
    assert!(matches!(error, OutboxError::NothingToSalvage { .. }), "{error}");
}

async fn cursors(outbox: &Outbox) -> Vec<(u32, Seq)> {
    outbox.logs().await.unwrap().iter().map(|log| (log.era, log.cursor)).collect()
}

#[tokio::test]
async fn a_log_without_blocks_is_not_read_from_the_beginning_again() {
    let (dir, _) = closed().await;
    for eras in 2..=4 {
        damage(dir.path(), roots(dir.path(), &["log"]));
        let outbox = open(dir.path()).await.unwrap();
        let expected: Vec<_> = (1..=eras).map(|era| (era, Seq(BLOCKS))).collect();
        assert_eq!(cursors(&outbox).await, expected);
        outbox.salvage().await.unwrap();
        outbox.close().await.unwrap();
    }
    // A counter that began again is no such thing.
    let outbox = open(dir.path()).await.unwrap();
    outbox.new_era(outbox.logs().await.unwrap()[3].key, Seq(0)).await.unwrap();
    outbox.close().await.unwrap();
    damage(dir.path(), roots(dir.path(), &["log"]));
    let outbox = open(dir.path()).await.unwrap();
    assert_eq!(cursors(&outbox).await[3..], [(4, Seq(BLOCKS)), (5, Seq(0)), (6, Seq(0))]);
}

#[tokio::test]
async fn what_was_forgotten_does_not_come_again_after_damage() {
    let (dir, _) = closed().await;
    let outbox = open(dir.path()).await.unwrap();
    let options = ForgetOptions { even_unsent: true, and_refetch: false };
    outbox.forget(WATCH, vec![cloud()], options).await.unwrap();
    outbox.close().await.unwrap();
    damage(dir.path(), roots(dir.path(), &["log"]));
    let outbox = open(dir.path()).await.unwrap();
    assert_eq!(cursors(&outbox).await, [(1, Seq(BLOCKS)), (2, Seq(BLOCKS))]);
}

#[tokio::test]
async fn one_backup_after_another_sends_each_block_once_and_the_loss_is_what_is_still_missing() {
    let (dir, _) = closed().await;
    let [backup, partial] = ["backup", "partial"].map(|name| dir.path().join(name));
    let outbox = open(dir.path()).await.unwrap();
    outbox.backup(&backup).await.unwrap();
    outbox.close().await.unwrap();
    damage(dir.path(), [page_of(dir.path(), 1_200)]);
    let outbox = open(dir.path()).await.unwrap();
    outbox.salvage().await.unwrap();
    let (log, there) = (outbox.logs().await.unwrap()[0].key, numbers(&outbox).await);
    let lost: Vec<u32> = (1..=BLOCKS).filter(|seq| there.binary_search(seq).is_err()).collect();
    let passing = outbox.persist_batch(batch(log, SENT + 1, BLOCKS)).await.unwrap();
    outbox.settle(passing.key, receipt()).await.unwrap();
    let (first, middle, end) = (lost[0], lost[lost.len() / 2], *lost.last().unwrap());
    let mut bytes = fs::read(&backup).unwrap();
    let body = sealed(middle).body;
    let at = bytes.windows(body.len()).position(|window| window == body).unwrap();
    bytes[at + body.len() / 2] ^= 1;
    fs::write(&partial, bytes).unwrap();

    assert_eq!(outbox.salvage_from(&partial).await.unwrap().lost, 1);
    assert_eq!(outbox.salvage_so_far().await.unwrap().unwrap().lost, 1, "what came is lost no more");
    outbox.salvage_from(&backup).await.unwrap();
    assert_eq!(outbox.salvage_so_far().await.unwrap().unwrap().lost, 0);
    let errands = outbox.errands(&cloud()).await.unwrap();
    let mut said: Vec<_> = errands.iter().map(|it| (it.span.first.0, it.span.last.0)).collect();
    said.sort_unstable();
    assert_eq!(said, [(first, middle - 1), (middle, middle), (middle + 1, end)]);
    let held: u64 = outbox.tallies(&cloud()).await.unwrap().iter().map(|tally| tally.held).sum();
    assert_eq!(held, 60 * lost.len() as u64);
}
