//! SMP over UDP on this computer: a socket that answers in Zephyr's recorded words, and Zephyr itself where it is there.

use nowbridge::ota::smp::{SmpClient, SmpClientError, SmpLinkError, UdpSmpLink};
use nowbridge::wire::smp::{Header, Message, MgmtCode, Request, Response, SmpError, Style};
use tokio::net::UdpSocket;

/// Answers echoes, and to all else that it does not know it.
async fn board(socket: UdpSocket) {
    let mut buffer = vec![0; 2048];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
        let message = Message::decode(&buffer[..len]).unwrap();
        let reply = match Request::decode(&message) {
            Ok(Request::Echo(text)) => Response::Echo(text).encode(&message.header, Style::default()),
            _ => SmpError::mgmt(MgmtCode::NotSupported).encode(&message.header, Style::default()),
        };
        // A stranger's reply first: it has to be ignored.
        let stranger = Header { seq: message.header.seq.wrapping_add(1), ..message.header };
        let stranger = Response::Echo("not yours".to_owned()).encode(&stranger, Style::default());
        socket.send_to(&stranger.unwrap(), from).await.unwrap();
        socket.send_to(&reply.unwrap(), from).await.unwrap();
    }
}

#[tokio::test]
async fn a_datagram_is_a_message() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let board = tokio::spawn(board(socket));
    let mut client = SmpClient::open(UdpSmpLink::open(address).await.unwrap()).await.unwrap();
    let session = client.session();
    assert!(session.params.is_none() && session.state.is_none() && session.slots.is_none());
    assert_eq!(client.echo("hello").await.unwrap(), "hello");
    board.abort();
}

#[tokio::test]
async fn other_computers_are_not_spoken_to() {
    let error = UdpSmpLink::open("192.0.2.1:1337".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, SmpLinkError::NotLoopback(_)), "{error}");
}

/// Run by `tests/smp/real-zephyr.sh`, which starts the board.
#[tokio::test]
#[ignore = "needs a Zephyr at NOWBRIDGE_SMP_BOARD"]
async fn zephyr_itself_answers() {
    let address = std::env::var("NOWBRIDGE_SMP_BOARD").expect("NOWBRIDGE_SMP_BOARD is host:port");
    let link = UdpSmpLink::open(address.parse().unwrap()).await.unwrap();
    let mut client = SmpClient::open(link).await.unwrap();
    let session = client.session().clone();
    assert_eq!(session.params.map(|params| (params.buf_size, params.buf_count)), Some((2048, 2)));
    assert!(session.state.is_none() && session.bootloader.is_none(), "it has no image group");
    assert_eq!(client.echo("hello").await.unwrap(), "hello");
    // The header and a map of one key take 14 bytes.
    let longest = "x".repeat(client.path().message - 14);
    assert_eq!(client.echo(&longest).await.unwrap(), longest);
    assert!(client.info(Some("a")).await.unwrap().starts_with("Zephyr"));
    let refused = client.info(Some("q")).await.unwrap_err();
    assert!(matches!(refused, SmpClientError::Refused { refusal: SmpError::Os(_), .. }), "{refused}");
    client.reset().await.unwrap();
}
