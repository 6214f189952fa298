//! SMP over UDP to a board that is simulated on this computer: one datagram carries one message.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use tokio::net::UdpSocket;

use super::{SmpLink, SmpLinkError};

/// The longest payload of a UDP datagram over IPv4.
const LONGEST: usize = 65_507;

/// What Zephyr takes of a datagram (`CONFIG_MCUMGR_TRANSPORT_UDP_MTU`), though it tells of buffers of 2048. It finds a longer
/// message damaged.
const TAKEN: usize = 1500;

/// A socket that talks to one address on this computer.
#[derive(Debug)]
pub struct UdpSmpLink {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl UdpSmpLink {
    /// Talks to `board`; nothing is sent yet. Zephyr listens on port 1337.
    pub async fn open(board: SocketAddr) -> Result<Self, SmpLinkError> {
        if !board.ip().is_loopback() {
            return Err(SmpLinkError::NotLoopback(board));
        }
        let here: SocketAddr = match board {
            SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
        };
        let socket = UdpSocket::bind(here).await?;
        socket.connect(board).await?;
        Ok(Self { socket, buffer: vec![0; LONGEST] })
    }
}

impl SmpLink for UdpSmpLink {
    async fn send(&mut self, piece: &[u8]) -> Result<(), SmpLinkError> {
        self.socket.send(piece).await?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Bytes, SmpLinkError> {
        let len = self.socket.recv(&mut self.buffer).await?;
        Ok(Bytes::copy_from_slice(&self.buffer[..len]))
    }

    fn piece(&self) -> usize {
        LONGEST
    }

    fn longest(&self) -> usize {
        TAKEN
    }

    async fn resubscribe(&mut self) -> Result<(), SmpLinkError> {
        Ok(())
    }
}
