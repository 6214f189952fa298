use nowbridge::outbox::GapCause;
use nowbridge::wire::bridge::Stream;
use rusqlite::Connection;

use crate::support::outbox::{Opened, block, gap};

const STREAMS: [Stream; 3] = [Stream::HEART_RATE, Stream::BEATS, Stream::SPO2];

/// What is looked for by stream, and what there is.
fn agrees(it: &Opened) -> i64 {
    let shell = Connection::open(it.dir.path().join("outbox.db")).unwrap();
    let differ = "SELECT count(*) FROM (
        SELECT * FROM (SELECT log, stream, seq, n FROM block EXCEPT SELECT * FROM stream_block)
        UNION ALL
        SELECT * FROM (SELECT * FROM stream_block EXCEPT SELECT log, stream, seq, n FROM block))";
    let ask = |sql: &str| shell.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(ask(differ), 0);
    assert_eq!(ask("SELECT count(*) FROM stream_block"), ask("SELECT count(*) FROM block"));
    ask("SELECT count(*) FROM block") - ask("SELECT count(*) FROM stream_index")
}

#[tokio::test]
async fn whatever_is_stored_or_taken_out() {
    let it = Opened::new().await;
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut next, mut most_behind) = (1, 0);
    for _ in 0..120 {
        let (count, skip) = (rng.u32(1..90), if rng.u8(..8) == 0 { rng.u32(1..150) } else { 0 });
        let gaps = (skip > 0).then(|| gap(next, next + skip - 1, GapCause::Overwritten));
        next += skip;
        let blocks = (next..next + count).map(|seq| block(seq, STREAMS[rng.usize(..3)])).collect();
        next += count;
        it.outbox.append(it.log.key, it.session, blocks, gaps.into_iter().collect()).await.unwrap();
        most_behind = most_behind.max(agrees(&it));
    }
    assert!((32..64).contains(&most_behind), "{most_behind} blocks were not in the index");

    // As a salvage and a repair by hand would: in the middle, in front, and out again at either end.
    let shell = Connection::open(it.dir.path().join("outbox.db")).unwrap();
    let again = "INSERT INTO block SELECT log, ?2, session, received_s, boot, t0_ms, stream, n, body FROM block WHERE seq = ?1";
    let first: u32 = shell.query_row("SELECT min(seq) FROM block", [], |row| row.get(0)).unwrap();
    for seq in [first + 3, next - 1, first, first + 1, next - 2] {
        let there = shell.execute("DELETE FROM block WHERE seq = ?1", [seq]).unwrap();
        agrees(&it);
        if there > 0 {
            shell.execute(again, [next - 3, seq]).unwrap();
            agrees(&it);
        }
    }
    shell.execute(again, [next - 3, next + 500]).unwrap();
    assert_eq!(agrees(&it), 0);
    shell.execute("DELETE FROM block WHERE seq % 3 = 0", []).unwrap();
    agrees(&it);
}
