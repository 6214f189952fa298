//! Whoever has a watch forgotten finds nothing of it in the outbox's files, everything of the others, and no old block coming back.

use bytes::Bytes;
use nowbridge::outbox::{
    Anchor, AnchorSource, DeadLetter, ForgetOptions, Forgetting, Forgotten, GapCause, NewBlock, Outbox,
};
use nowbridge::radio::PeerAddress;
use nowbridge::wire::bridge::{Boot, DeviceId, LogId, Seq, Stream};

use crate::support::outbox::{NOON, Opened, WATCH, batch, block, cloud, gap, receipt};
use crate::support::process::Home;

/// What must not be found.
const SECRET: &[u8] = b"a heart that nobody else is to know of";
const OTHER: DeviceId = DeviceId([8; 16]);

fn secret(seq: u32) -> NewBlock {
    NewBlock { body: Bytes::from(SECRET.repeat(6)), ..block(seq, Stream::HEART_RATE) }
}

/// A watch of which 3,000 blocks are stored and 2 were confirmed, and another watch.
async fn two_watches() -> Opened {
    let opened = Opened::new().await;
    let (outbox, log) = (&opened.outbox, opened.log.key);
    outbox.bind_peer(&PeerAddress("E7:12:0A:00:00:01".to_owned()), WATCH).await.unwrap();
    let mut damaged = gap(3_001, 3_001, GapCause::Corrupt);
    damaged.raw = Some(Bytes::from_static(SECRET));
    let blocks = (1..=3_000).map(secret).collect();
    outbox.append(log, opened.session, blocks, vec![damaged]).await.unwrap();
    let source = AnchorSource::Host;
    let anchor = Anchor { boot: Boot(1), ticks_us: 1, utc: NOON, uncertainty_us: 1, source };
    let mut confirmed = batch(log, 1, 2);
    confirmed.anchor_horizon = Some(outbox.add_anchor(log, anchor).await.unwrap());
    let confirmed = outbox.persist_batch(confirmed).await.unwrap();
    outbox.settle(confirmed.key, receipt()).await.unwrap();
    let refused = outbox.persist_batch(batch(log, 3, 4)).await.unwrap();
    let response = Some("no".to_owned());
    let letter = DeadLetter { reason: "refused".to_owned(), status: Some(422), response };
    outbox.dead_letter(refused.key, letter).await.unwrap();
    let old = outbox.begin_session(WATCH, Some(log)).await.unwrap();
    let report = nowbridge::outbox::SessionReport {
        log: Some(log),
        outcome: "complete".to_owned(),
        fetched: 0,
        new: 0,
        duplicate: 0,
        rejected: 0,
        newest: None,
    };
    outbox.end_session(old, report).await.unwrap();

    let other = outbox.watch_log(OTHER, LogId(1), false, Seq(0)).await.unwrap().key;
    let session = outbox.begin_session(OTHER, Some(other)).await.unwrap();
    let blocks = (1..=5).map(|seq| block(seq, Stream::HEART_RATE)).collect();
    outbox.append(other, session, blocks, vec![gap(6, 7, GapCause::Overwritten)]).await.unwrap();
    opened
}

/// Whether the secret stands anywhere in the files of the outbox.
fn is_found(dir: &std::path::Path) -> bool {
    let files = std::fs::read_dir(dir).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let mut files = files.collect::<Vec<_>>().into_iter();
    files.any(|bytes| bytes.windows(SECRET.len()).any(|part| part == SECRET))
}

async fn forgotten(outbox: &Outbox, options: ForgetOptions) -> Forgotten {
    match outbox.forget(WATCH, vec![cloud()], options).await.unwrap() {
        Forgetting::Done(forgotten) => forgotten,
        Forgetting::Unsent { samples, sink } => panic!("{samples} samples wait for {sink}"),
    }
}

#[tokio::test(start_paused = true)]
async fn but_not_before_everything_of_it_is_elsewhere() {
    let opened = two_watches().await;
    let unsent = opened.outbox.forget(WATCH, vec![], ForgetOptions::default()).await.unwrap();
    assert_eq!(unsent, Forgetting::Unsent { samples: 2_996 * 60, sink: cloud() });
    assert_eq!(opened.stored().await.len(), 3_000);
    assert!(is_found(opened.dir.path()));
}

#[tokio::test(start_paused = true)]
async fn and_the_others_keep_everything() {
    let opened = two_watches().await;
    let outbox = &opened.outbox;
    let told = forgotten(outbox, ForgetOptions { even_unsent: true, and_refetch: false }).await;
    assert_eq!((told.blocks, told.batches, told.dead_letters, told.gaps), (3_000, 2, 3, 1));
    assert!(told.overwritten && told.sessions == 1, "the session that runs stays: {told:?}");
    assert!(!is_found(opened.dir.path()), "not in the database, not in its log");
    assert_eq!(outbox.peers().await.unwrap()[0].device, None);
    assert_eq!(outbox.gaps(10).await.unwrap().iter().map(|gap| gap.device).collect::<Vec<_>>(), [OTHER]);
    let waiting = outbox.backlog(&cloud()).await.unwrap();
    assert_eq!(waiting.iter().map(|of| (of.device, of.blocks)).collect::<Vec<_>>(), [(OTHER, 5)]);

    // The watch goes on where it was, and what is new goes its way.
    assert_eq!(opened.cursor().await, Seq(3_001));
    opened.append(3_002..=3_003).await.unwrap();
    let next = outbox.persist_batch(batch(opened.log.key, 3_002, 3_003)).await.unwrap();
    outbox.settle(next.key, receipt()).await.unwrap();
    let again = forgotten(outbox, ForgetOptions::default()).await;
    assert_eq!((again.blocks, again.batches), (2, 1), "what was sent may be forgotten");

    outbox.clone().close().await.unwrap();
    let file = rusqlite::Connection::open(opened.dir.path().join("outbox.db")).unwrap();
    let mut check = file.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!check.exists([]).unwrap(), "nothing refers to what is gone");
}

#[tokio::test(start_paused = true)]
async fn and_its_old_blocks_come_back_only_if_they_are_wanted() {
    let opened = two_watches().await;
    let outbox = &opened.outbox;
    // The session that runs holds on to its log.
    let options = ForgetOptions { even_unsent: true, and_refetch: true };
    outbox.forget(WATCH, vec![], options).await.unwrap_err();
    let report = nowbridge::outbox::SessionReport {
        log: None,
        outcome: "complete".to_owned(),
        fetched: 0,
        new: 0,
        duplicate: 0,
        rejected: 0,
        newest: None,
    };
    outbox.end_session(opened.session, report).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(forgotten(outbox, options).await.sessions, 1);
    let anew = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    assert_eq!((anew.cursor, anew.era), (Seq(0), 1));
}

#[tokio::test]
async fn from_the_command_line_after_a_yes() {
    for runs in [false, true] {
        let home = Home::new(
            "[[watch]]\naddress = \"E7:12:0A:00:00:01\"\nname = \"left wrist\"\n[radio]\nkind = \"off\"\n",
        );
        let opened = two_watches().await;
        opened.outbox.close().await.unwrap();
        std::fs::create_dir_all(home.state()).unwrap();
        std::fs::copy(opened.dir.path().join("outbox.db"), home.state().join("outbox.db")).unwrap();
        let daemon = if runs { Some(home.daemon().await) } else { None };
        home.run(&["forget", "left wrist"]).await.refused(64);
        let unsent = home.run(&["forget", "left wrist", "--yes"]).await;
        assert!(unsent.refused(75).contains("--even-unsent"), "{unsent:?}");
        home.run(&["forget", "right wrist", "--yes"]).await.refused(64);
        let told = home.run(&["forget", "left wrist", "--yes", "--even-unsent"]).await;
        assert!(
            told.printed().contains("3,000 blocks") && told.stdout.contains("stays in the cloud"),
            "{told:?}"
        );
        assert!(!is_found(&home.state()));
        if let Some(daemon) = daemon {
            daemon.stop().await;
        }
    }
}
