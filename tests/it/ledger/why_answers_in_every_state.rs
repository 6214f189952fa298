//! `nowbridge why` answers with a daemon and without, about one watch or all, for people and for programs.

use nowbridge::clock::Clock;
use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::{GapCause, NewGap, Outbox, SessionReport};
use nowbridge::radio::PeerAddress;
use nowbridge::wire::bridge::{LogId, Seq, Stream};
use serde_json::Value;

use crate::support::outbox::{WATCH, block};
use crate::support::process::Home;

const CONFIG: &str =
    "[[watch]]\naddress = \"E7:12:0A:00:00:01\"\nname = \"left wrist\"\n[radio]\nkind = \"off\"\n";

/// A watch that has overwritten two blocks, and one that has not.
async fn two_watches(home: &Home) {
    let outbox = Outbox::open(&home.state(), Clock::System).await.unwrap();
    outbox.bind_peer(&PeerAddress("E7:12:0A:00:00:01".to_owned()), WATCH).await.unwrap();
    let other = nowbridge::wire::bridge::DeviceId([8; 16]);
    for (device, missing) in [(WATCH, true), (other, false)] {
        let log = outbox.watch_log(device, LogId(1), false, Seq(0)).await.unwrap();
        let session = outbox.begin_session(device, Some(log.key)).await.unwrap();
        let (from, to) = (Seq(2), Seq(3));
        let cause = GapCause::Overwritten;
        let gap = NewGap { from, to, stream: None, cause, detail: String::new(), raw: None };
        let gaps = if missing { vec![gap] } else { Vec::new() };
        let blocks = vec![block(1, Stream::HEART_RATE)];
        outbox.append(log.key, session, blocks, gaps).await.unwrap();
        let outcome = "complete".to_owned();
        let (new, newest) = (1, Some(UtcMicros(0)));
        let report =
            SessionReport { log: Some(log.key), outcome, fetched: 1, new, duplicate: 0, rejected: 0, newest };
        outbox.end_session(session, report).await.unwrap();
    }
    outbox.close().await.unwrap();
}

#[tokio::test]
async fn with_and_without_a_daemon() {
    let home = Home::new(CONFIG);
    home.run(&["why"]).await.refused(69);
    two_watches(&home).await;
    for runs in [false, true] {
        let daemon = if runs { Some(home.daemon().await) } else { None };
        let text = home.run(&["why", "--since", "1h"]).await;
        let text = text.printed();
        assert!(text.contains("2 blocks of left wrist are lost: the watch needed the room"), "{text}");
        assert!(text.contains("a session with left wrist, complete: 1 new blocks"), "{text}");
        assert!(text.contains("samples wait to be sent to nowatch") || !runs, "{text}");
        let other = home.run(&["why", &"08".repeat(16)]).await;
        let other = other.printed();
        assert!(!other.contains("left wrist") && !other.contains("2 blocks"), "{other}");
        let json = home.run(&["why", "--json", "left wrist"]).await;
        let json: Value = serde_json::from_str(json.printed()).unwrap();
        assert_eq!(json["holes"][0]["cause"], "overwritten");
        assert_eq!(json["sessions"].as_array().unwrap().len(), 1);
        let unknown = home.run(&["why", "right wrist"]).await;
        unknown.refused(64);
        assert!(unknown.stderr.contains("left wrist"), "{unknown:?}");
        home.run(&["why", "--since", "soon"]).await.refused(64);
        if let Some(daemon) = daemon {
            daemon.stop().await;
        }
    }
}
