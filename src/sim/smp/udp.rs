//! SMP over UDP, as Zephyr has it: one datagram, one message. For clients that others have made.

use std::io;

use tokio::net::UdpSocket;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::served::SmpWatch;

/// More than a datagram can have.
const DATAGRAM: usize = 65_536;

/// Answers datagrams, one after the other, until told to stop. A watch that restarts answers none.
pub async fn serve_udp(socket: UdpSocket, watch: SmpWatch, stop: CancellationToken) -> io::Result<()> {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let (len, from) = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            received = socket.recv_from(&mut buffer) => match received {
                Ok(received) => received,
                // A client that has gone is told of by the next call.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            },
        };
        let exchange = watch.datagram(&buffer[..len]);
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = sleep(exchange.after) => {}
        }
        for reply in exchange.replies {
            // A client that does not listen any more is none of the watch's business.
            let _ = socket.send_to(&reply, from).await;
        }
    }
}
