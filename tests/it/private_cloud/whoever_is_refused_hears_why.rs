//! Over a real socket: an early refusal reaches a client that is still sending, and the server ends when it is told to.

use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::sim::cloud::PrivateCloud;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_large_upload_without_a_log_in_gets_its_401_and_the_server_stops() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = PrivateCloud::open(directory.path(), Clock::System).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn({
        let stop = stop.clone();
        async move { cloud.serve(listener, stop).await }
    });

    let mut client = TcpStream::connect(address).await.unwrap();
    let body = vec![b'x'; 12 * 1024 * 1024];
    let head = format!(
        "POST /v1/measurement/upload HTTP/1.1\r\nhost: example.org\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = String::new();
    timeout(DEADLINE, async {
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.unwrap();
        client.read_to_string(&mut answer).await.unwrap();
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("a bearer token is required"), "{answer}");

    stop.cancel();
    timeout(DEADLINE, server).await.unwrap().unwrap().unwrap();
}
