//! SMP over UDP on this computer: one datagram, one message.

use std::net::Ipv4Addr;
use std::time::Duration;

use nowbridge::ota::smp::{ImageUpload, SmpClient, UdpSmpLink, UploadOptions};
use nowbridge::sim::smp::{Build, Pace, SmpDevice, SmpWatch, serve_udp};
use nowbridge::wire::Sha256;
use nowbridge::wire::smp::Params;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::host::{firmware, hash};

const QUICK: Pace = Pace { boot: Duration::ZERO, reset: Duration::ZERO, ..Pace::free() };

#[tokio::test]
async fn an_update_over_udp_ends_confirmed() {
    let build = Build { buffers: Params { buf_size: 2048, buf_count: 2 }, ..Build::default() };
    let watch = SmpWatch::new(SmpDevice::new(build, &firmware("1.0.0", 9_000)), QUICK);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let board = socket.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve_udp(socket, watch.clone(), stop.clone()));

    let mut client = SmpClient::open(UdpSmpLink::open(board).await.unwrap()).await.unwrap();
    let new = firmware("2.0.0", 20_000);
    let options = UploadOptions::default();
    let mut upload = ImageUpload::new(new.clone().into(), options, client.session(), client.path()).unwrap();
    upload.run(&mut client).await.unwrap();
    client.test(Sha256(hash(&new))).await.unwrap();
    client.reset().await.unwrap();
    let state = client.state().await.unwrap();
    let active = state.active().unwrap();
    assert_eq!((active.sha256(), active.confirmed), (Some(Sha256(hash(&new))), false));
    assert!(client.confirm().await.unwrap().active().unwrap().confirmed);
    assert_eq!(watch.boots(), 2);

    stop.cancel();
    served.await.unwrap().unwrap();
}
