//! A sink whose section was taken out of the configuration keeps what waits for it, until somebody gives up on it.

use std::time::Duration;

use nowbridge::config::SinkStart;
use nowbridge::control::{self, DeskError, SinksAnswer};
use nowbridge::measurement::{Kind, UtcMicros};
use nowbridge::outbox::{
    DeadLetter, ErrandWhy, NewBatch, NewErrand, Outbox, SinkEnd, SinkHold, SinkName, Span,
};
use nowbridge::wire::bridge::{Seq, Stream};

use crate::support::outbox::{Opened, batch, block, receipt};

fn name(name: &str) -> SinkName {
    SinkName(name.to_owned())
}

async fn send(outbox: &Outbox, new: NewBatch) {
    let batch = outbox.persist_batch(new).await.unwrap();
    outbox.settle(batch.key, receipt()).await.unwrap();
}

async fn hold(outbox: &Outbox, sink: &str) -> SinkHold {
    let mut holds = outbox.sink_holds().await.unwrap();
    holds.retain(|hold| hold.sink == name(sink));
    holds.remove(0)
}

/// *accepted = queued + sent + dead + held + missed*, of a sink on record.
async fn balance(outbox: &Outbox, sink: &str) {
    let summary = outbox.summary(&name(sink)).await.unwrap();
    let queued: u64 = outbox.backlog(&name(sink)).await.unwrap().iter().map(|of| of.samples).sum();
    let rows = summary.streams.iter().filter(|row| row.kind.is_some());
    let (accepted, told) = rows.fold((0, queued), |(accepted, told), row| {
        (accepted + row.accepted(), told + row.uploaded + row.dead + row.held + row.missed)
    });
    assert_eq!(accepted, told, "{sink}");
}

/// Forty blocks of heart rate and ten of temperature: the cloud has them all; the folder has five, one is dead there and asked for again,
/// and a batch is open.
async fn abandoned() -> Opened {
    let opened = Opened::new().await;
    let blocks =
        (1..=50).map(|seq| block(seq, if seq > 40 { Stream::TEMPERATURE } else { Stream::HEART_RATE }));
    opened.outbox.append(opened.log.key, opened.session, blocks.collect(), vec![]).await.unwrap();
    for sink in ["nowatch", "folder"] {
        opened.outbox.register_sink(&name(sink), SinkStart::All).await.unwrap();
    }
    let of = |sink: &str, first, last| NewBatch { sink: name(sink), ..batch(opened.log.key, first, last) };
    send(&opened.outbox, of("nowatch", 1, 40)).await;
    send(&opened.outbox, NewBatch { kind: Kind::Temperature, ..of("nowatch", 41, 50) }).await;
    send(&opened.outbox, of("folder", 1, 5)).await;
    let dead = opened.outbox.persist_batch(of("folder", 6, 6)).await.unwrap();
    let letter = DeadLetter { reason: "refused".to_owned(), status: None, response: None };
    opened.outbox.dead_letter(dead.key, letter).await.unwrap();
    let span = Span::blocks(Seq(6), Seq(6));
    let retry = NewErrand {
        sink: name("folder"),
        log: opened.log.key,
        kind: Kind::HeartRate,
        span,
        why: ErrandWhy::Retry,
    };
    opened.outbox.ask_errand(retry).await.unwrap();
    opened.outbox.persist_batch(of("folder", 7, 9)).await.unwrap();
    opened
}

#[tokio::test(start_paused = true)]
async fn and_then_its_room_is_free_and_the_ledger_says_what_it_never_got() {
    let Opened { outbox, log, session, dir: _dir } = abandoned().await;
    tokio::time::advance(Duration::from_hours(24 * 30)).await;
    // How old something is counts to the newest block; this one is for nobody.
    outbox.append(log.key, session, vec![block(51, Stream(200))], vec![]).await.unwrap();
    // What it has had is freed, and what was dead there has its bytes elsewhere.
    let freed = outbox.tidy().await.unwrap().freed;
    assert!(freed <= 5, "{freed}");
    let (folder, cloud) = (hold(&outbox, "folder").await, hold(&outbox, "nowatch").await);
    assert_eq!((folder.waiting, cloud.waiting), (44 * 60, 0));
    assert!(folder.alone_bytes > 0 && folder.alone_bytes == folder.kept_bytes, "{folder:?}");
    assert_eq!((cloud.kept_bytes, cloud.alone_bytes, cloud.since), (0, 0, None));
    assert!(folder.since.is_some());
    balance(&outbox, "folder").await;

    // Only one that is not configured can be given up.
    let both = [name("nowatch"), name("folder")];
    let refused = control::forget_sink(&outbox, &both, name("folder")).await.unwrap_err();
    assert!(matches!(refused, DeskError::SinkConfigured(_)) && refused.to_string().contains("configuration"));
    let unknown = control::forget_sink(&outbox, &both[..1], name("foldr")).await.unwrap_err();
    assert!(unknown.to_string().contains("there are folder, nowatch"), "{unknown}");
    assert_eq!(hold(&outbox, "folder").await, folder, "nothing was touched");

    let end = control::forget_sink(&outbox, &both[..1], name("folder")).await.unwrap();
    let SinkEnd { sent, dead, missed, given_up, .. } = end;
    assert_eq!((sent, dead, missed, given_up), (300, 60, 0, 44 * 60));
    assert_eq!(sent + dead + missed + given_up, 50 * 60, "every sample that was accepted is in one of them");
    let answer = SinksAnswer::gather(&outbox, &both[..1]).await.unwrap();
    assert_eq!(answer.forgotten, std::slice::from_ref(&end));
    assert_eq!(answer.sinks.iter().map(|keeps| &keeps.hold.sink).collect::<Vec<_>>(), [&name("nowatch")]);
    let why = outbox.why(UtcMicros(0), None, both.to_vec()).await.unwrap();
    assert_eq!((why.sink_ends, why.dead), (vec![end], vec![]));
    balance(&outbox, "nowatch").await;

    let freed = outbox.tidy().await.unwrap().freed;
    assert!(freed > 40, "{freed}");
    balance(&outbox, "nowatch").await;
    // If it comes back after all, it begins anew: with what is still there.
    outbox.register_sink(&name("folder"), SinkStart::All).await.unwrap();
    balance(&outbox, "folder").await;
    assert_eq!(hold(&outbox, "folder").await.waiting, 2 * 60, "the last block of each stream");
}
