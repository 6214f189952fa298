use std::path::{Path, PathBuf};
use std::time::Duration;

use nowbridge::radio::air::{Air, AirCentral, LinkModel, serve_air};
use nowbridge::radio::{Central, Link, LinkClosed, RadioError, WriteMode};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::air::{BYE, ECHO, FLOOD, Happened, LOCKED, Strings, address, air_with_watch, rest};

/// The process that has the air.
struct Server {
    air: Air,
    strings: Strings,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    fn start(path: &Path) -> Self {
        let (air, strings) = air_with_watch(LinkModel::fast_2m_15ms().scaled(50.0));
        let listener = UnixListener::bind(path).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve_air(air.clone(), listener, stop.clone()));
        Self { air, strings, stop, task }
    }

    async fn stop(self, path: &Path) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.air.shutdown().await;
        std::fs::remove_file(path).unwrap();
    }
}

fn socket() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("air.sock");
    (directory, path)
}

#[tokio::test]
async fn a_watch_in_another_process_is_used_like_one_in_this() {
    let (_directory, path) = socket();
    let mut server = Server::start(&path);
    let central = AirCentral::over_socket(&path);
    assert_eq!(central.scan(Duration::from_millis(1)).await.unwrap()[0].address, address());

    let link = central.connect(&address()).await.unwrap();
    assert_eq!((link.mtu(), link.characteristics()), (247, vec![ECHO, FLOOD, LOCKED]));
    assert!(matches!(central.connect(&address()).await, Err(RadioError::NotFound(_))));
    let mut echoes = link.subscribe(ECHO).await.unwrap();
    let mut flood = link.subscribe(FLOOD).await.unwrap();
    link.write(ECHO, b"there".to_vec(), WriteMode::WithResponse).await.unwrap();
    assert_eq!(link.read(ECHO).await.unwrap(), b"there");
    link.write(ECHO, b"back".to_vec(), WriteMode::WithoutResponse).await.unwrap();
    assert_eq!(echoes.next().await.unwrap(), &b"there"[..]);
    assert_eq!(echoes.next().await.unwrap(), &b"back"[..]);
    assert!(matches!(link.read(LOCKED).await, Err(RadioError::Refused { code: 0x02 })));

    link.write(FLOOD, 3_000_u32.to_le_bytes().to_vec(), WriteMode::WithResponse).await.unwrap();
    for number in 0..3_000_u32 {
        assert_eq!(flood.next().await.unwrap()[..4], number.to_le_bytes());
    }

    drop(link);
    server.strings.until(&Happened::Disconnected).await;
    central.connect(&address()).await.unwrap().disconnect().await;
    central.shutdown().await;
    server.stop(&path).await;
}

#[tokio::test]
async fn the_reason_of_a_close_crosses_the_socket_after_the_last_notification() {
    let (_directory, path) = socket();
    let server = Server::start(&path);
    let link = AirCentral::over_socket(&path).connect(&address()).await.unwrap();
    let echoes = link.subscribe(ECHO).await.unwrap();
    // All in one event, and the close in the same breath.
    for number in 0..10 {
        server.strings.speak(ECHO, vec![number]);
    }
    server.strings.speak(ECHO, BYE.to_vec());
    let received = rest(echoes).await;
    assert_eq!((received.len(), &received.last().unwrap()[..]), (11, BYE));
    assert_eq!(link.closed().await, LinkClosed::ByPeer);
    server.stop(&path).await;
}

#[tokio::test]
async fn a_server_that_goes_takes_its_links_along_and_may_come_back() {
    let (_directory, path) = socket();
    let central = AirCentral::over_socket(&path);
    let error = central.connect(&address()).await.unwrap_err();
    assert!(
        matches!(&error, RadioError::NotReady(why) if why.to_string().contains(path.to_str().unwrap())),
        "{error}"
    );

    let server = Server::start(&path);
    let link = central.connect(&address()).await.unwrap();
    let echoes = link.subscribe(ECHO).await.unwrap();
    server.stop(&path).await;
    assert_eq!(rest(echoes).await.len(), 0);
    assert_eq!(link.closed().await, LinkClosed::RadioGone);
    assert!(matches!(link.read(ECHO).await, Err(RadioError::Closed(LinkClosed::RadioGone))));
    assert!(matches!(central.scan(Duration::ZERO).await, Err(RadioError::NotReady(_))));

    let server = Server::start(&path);
    let link = central.connect(&address()).await.unwrap();
    link.read(ECHO).await.unwrap();
    central.shutdown().await;
    assert_eq!(link.closed().await, LinkClosed::ByHost);
    server.stop(&path).await;
}
