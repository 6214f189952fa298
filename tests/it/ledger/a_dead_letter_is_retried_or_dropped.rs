//! What a receiver refused can be sent again, or left at that, by name; with a daemon or without.

use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::outbox::{
    DeadLetter, EntryId, GapCause, NewBatch, Outbox, Position, Resolution, Span, Unresolved,
};
use nowbridge::wire::bridge::Seq;

use crate::support::outbox::{Opened, batch, cloud, gap};
use crate::support::process::Home;

/// Blocks 1 to 4, of which 1 and 2 were refused, and number 5 came damaged.
async fn refused() -> Opened {
    let opened = Opened::new().await;
    opened.append(1..=4).await.unwrap();
    let mut damaged = gap(5, 5, GapCause::Corrupt);
    damaged.raw = Some(Bytes::from_static(b"damaged"));
    opened.append_with([], vec![damaged]).await.unwrap();
    let batch = opened.outbox.persist_batch(batch(opened.log.key, 1, 2)).await.unwrap();
    let (reason, response) = ("refused".to_owned(), Some("value out of range".to_owned()));
    opened.outbox.dead_letter(batch.key, DeadLetter { reason, status: Some(422), response }).await.unwrap();
    opened
}

#[tokio::test(start_paused = true)]
async fn by_name_and_only_once() {
    let opened = refused().await;
    let outbox = &opened.outbox;
    let dead = outbox.dead_letters(10).await.unwrap();
    let (damaged, refused) = (dead[2].id, [dead[1].id, dead[0].id]);
    assert_eq!(dead[2].body, "damaged");

    let asked = vec![refused[0], damaged, EntryId::Gap(1), EntryId::Dead(99)];
    let resolved = outbox.retry_dead(asked).await.unwrap();
    assert_eq!(resolved.done, [refused[0]]);
    let left = [
        (damaged, Unresolved::Unreadable),
        (EntryId::Gap(1), Unresolved::NotDead),
        (EntryId::Dead(99), Unresolved::Unknown),
    ];
    assert_eq!(resolved.left, left);
    let again = outbox.retry_dead(vec![refused[0]]).await.unwrap();
    assert_eq!(again.left, [(refused[0], Unresolved::Asked)]);

    assert_eq!(outbox.drop_dead(vec![damaged]).await.unwrap().done, [damaged]);
    assert_eq!(outbox.retry_all_dead().await.unwrap().done, [refused[1]]);
    assert_eq!(outbox.retry_all_dead().await.unwrap().done, []);
    let dead = outbox.dead_letters(10).await.unwrap();
    // It is retried when it has arrived, not when somebody wishes so.
    let resolutions: Vec<_> = dead.iter().rev().map(|letter| letter.resolution).collect();
    assert_eq!(resolutions, [Some(Resolution::Dropped), None, None]);
    assert_eq!(dead[2].body, "damaged", "what is dropped is kept");

    // What is asked for is there for whoever sends it.
    opened.outbox.close().await.unwrap();
    let file = rusqlite::Connection::open(opened.dir.path().join("outbox.db")).unwrap();
    let mut errands =
        file.prepare("SELECT first_seq, last_seq, why, state, sink FROM errand ORDER BY id").unwrap();
    let rows = errands.query_map([], |row| {
        let seqs: (u32, u32) = (row.get(0)?, row.get(1)?);
        Ok((seqs, row.get::<_, String>(2)?, row.get::<_, String>(3)?, row.get::<_, String>(4)?))
    });
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    let errand = |seq| ((seq, seq), "retry".to_owned(), "waiting".to_owned(), "cloud".to_owned());
    assert_eq!(rows, [errand(1), errand(2)]);
}

/// Puts an outbox where the program looks for it.
async fn at_home(home: &Home) {
    let opened = refused().await;
    opened.outbox.close().await.unwrap();
    std::fs::create_dir_all(home.state()).unwrap();
    std::fs::copy(opened.dir.path().join("outbox.db"), home.state().join("outbox.db")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_of_several_in_one_block() {
    let opened = Opened::new().await;
    opened.append(1..=2).await.unwrap();
    for sample in 0..3 {
        let span = Span::sample(Position { seq: Seq(1), sample });
        let one = NewBatch { span, rows: 1, ..batch(opened.log.key, 1, 1) };
        let one = opened.outbox.persist_batch(one).await.unwrap();
        let letter = DeadLetter { reason: "refused".to_owned(), status: Some(422), response: None };
        opened.outbox.dead_letter(one.key, letter).await.unwrap();
    }
    let resolved = opened.outbox.retry_all_dead().await.unwrap();
    assert_eq!((resolved.done.len(), resolved.left), (3, vec![]));
    assert_eq!(opened.outbox.errands(&cloud()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn from_the_command_line_whether_or_not_a_daemon_runs() {
    for runs in [false, true] {
        let home = Home::new("");
        let none = home.run(&["outbox", "list"]).await;
        none.refused(69);
        assert!(!home.state().join("outbox.db").exists(), "asking makes nothing");
        at_home(&home).await;
        let daemon = if runs { Some(home.daemon().await) } else { None };
        let said = |command: &'static [&'static str]| {
            let home = &home;
            async move { home.run(command).await }
        };
        let list = said(&["outbox", "list"]).await;
        assert!(list.printed().contains("d3") && list.printed().contains("value out of range"), "{list:?}");
        assert!(said(&["outbox", "list", "--gaps"]).await.printed().contains("corrupt"));
        assert!(said(&["outbox", "list", "--batches"]).await.printed().contains("dead"));
        assert_eq!(said(&["outbox", "list", "--receipts"]).await.printed().trim(), "No receipts.");
        let shown = said(&["outbox", "show", "d3"]).await;
        assert!(shown.printed().contains("422"), "{shown:?}");
        said(&["outbox", "show", "g77"]).await.refused(64);
        assert_eq!(said(&["outbox", "show", "77"]).await.code, Some(64));
        said(&["outbox", "drop", "d1"]).await.refused(64);
        assert!(said(&["outbox", "drop", "--yes", "d1"]).await.printed().contains("d1: dropped"));
        let retried = said(&["outbox", "retry", "d2", "d1"]).await;
        assert_eq!(retried.code, Some(64), "{retried:?}");
        assert!(retried.stderr.contains("d1 is left as it is: it was dropped before"), "{retried:?}");
        assert!(said(&["outbox", "retry", "--all-dead"]).await.printed().contains("d3"));
        assert_eq!(said(&["outbox", "check"]).await.printed().trim(), "The database is sound.");
        let json = said(&["outbox", "list", "--json", "--limit", "1"]).await;
        let json: serde_json::Value = serde_json::from_str(json.printed()).unwrap();
        // It stays dead until it has arrived.
        assert_eq!(
            (&json["dead"][0]["id"], &json["dead"][0]["resolution"]),
            (&"d3".into(), &serde_json::Value::Null)
        );
        let again = said(&["outbox", "retry", "d3"]).await;
        assert!(again.stderr.contains("d3 is left as it is: it is to be sent again already"), "{again:?}");
        if let Some(daemon) = daemon {
            daemon.stop().await;
        }
        // Whoever did it has let go of the outbox.
        Outbox::open(&home.state(), Clock::System).await.unwrap().close().await.unwrap();
    }
}
