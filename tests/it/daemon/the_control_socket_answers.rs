//! The control socket answers whoever may ask, whatever else is going on.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nowbridge::clock::Clock;
use nowbridge::control::{self, Client, ControlError, Fault, Parts, RadioView, Stage, StageName};
use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::Outbox;
use nowbridge::radio::RadioState;
use nowbridge::sync::{ClockStatus, RecoveryCounts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::process::Home;

#[tokio::test]
async fn before_and_after_there_is_anything_to_tell() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let (stage, stages) = watch::channel(Stage::Starting);
    let end = CancellationToken::new();
    let listener = control::bind(&path, 0o600).await.unwrap();
    let server = tokio::spawn(control::serve(listener, stages, UtcMicros(1), end.clone()));

    let client = Client::connect(&path).await.unwrap();
    let mut events = Box::pin(client.events().await.unwrap());
    for (now, name) in [(Stage::Starting, StageName::Starting), (Stage::Stopping, StageName::Stopping)] {
        stage.send_replace(now);
        let status = client.status().await.unwrap();
        assert_eq!((status.daemon.stage, status.outbox), (name, None));
        let refused = client.sync_now(None).await.unwrap_err();
        assert!(matches!(&refused, ControlError::Refused(why) if why.fault == Fault::Stopping), "{refused}");
    }
    // However many there were, the last line is the last state.
    let mut told = Vec::new();
    while told.last() != Some(&StageName::Stopping) {
        told.push(events.next().await.unwrap().unwrap().daemon.stage);
    }
    end.cancel();
    assert!(events.next().await.is_none());
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn as_soon_as_the_radio_had_to_be_helped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let (state, recovery) = (watch::Sender::new(RadioState::Ready), watch::Sender::default());
    let (seats, failing) = (watch::Sender::default(), watch::Sender::default());
    let parts = Parts {
        outbox: Outbox::open(directory.path(), Clock::System).await.unwrap(),
        radio: Some(RadioView { state: state.subscribe(), recovery: recovery.subscribe() }),
        seats: seats.subscribe(),
        desk: None,
        time: watch::channel(ClockStatus::default()).1,
        cloud: None,
        sinks: Vec::new(),
        arrivals: Arc::default(),
        updates: None,
        failing: failing.subscribe(),
    };
    let (_stage, stages) = watch::channel(Stage::Running(Arc::new(parts)));
    let end = CancellationToken::new();
    let listener = control::bind(&path, 0o600).await.unwrap();
    let server = tokio::spawn(control::serve(listener, stages, UtcMicros(1), end.clone()));

    let client = Client::connect(&path).await.unwrap();
    let mut events = Box::pin(client.events().await.unwrap());
    let told = events.next().await.unwrap().unwrap().radio.unwrap();
    assert_eq!((told.state, told.recovery), (RadioState::Ready, RecoveryCounts::default()));
    let helped = RecoveryCounts { power_cycle: 1, ..RecoveryCounts::default() };
    recovery.send_replace(helped);
    let told = timeout(Duration::from_secs(30), events.next()).await.expect("a change is told");
    assert_eq!(told.unwrap().unwrap().radio.unwrap().recovery, helped);
    end.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn its_owner_and_if_configured_their_group() {
    for (config, mode) in [("", 0o600), ("[control]\ngroup_access = true\n", 0o660)] {
        let home = Home::new(config);
        let daemon = home.daemon().await;
        let found = std::fs::metadata(home.socket()).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{found:o}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn in_spite_of_nonsense_and_of_those_who_only_listen() {
    let home = Home::new("");
    let mut daemon = home.daemon().await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(UnixStream::connect(home.socket()).await.unwrap());
    }
    let long = format!("GET /v1/status HTTP/1.1\r\nx: {}\r\n", "y".repeat(1 << 20));
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"hello?\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nhost: nowbridge\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/sync HTTP/1.1\r\nhost: nowbridge\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"DELETE /v1/status HTTP/1.1\r\nhost: nowbridge\r\n\r\n",
        b"GET /etc/passwd HTTP/1.1\r\nhost: nowbridge\r\n\r\n",
        long.as_bytes(),
    ] {
        let mut stream = UnixStream::connect(home.socket()).await.unwrap();
        // It may hang up before it has heard everything.
        let _ = stream.write_all(nonsense).await;
        let _ = stream.shutdown().await;
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
        let heard = String::from_utf8_lossy(&heard);
        assert!(!heard.starts_with("HTTP/1.1 200") || heard.contains("\"watches\":0"), "{heard}");
        assert!(home.status().await.is_some(), "no answer after {:?}", String::from_utf8_lossy(nonsense));
    }
    assert!(daemon.is_running(), "{}", daemon.stderr());
    daemon.stop().await;
    drop(idle);
}
