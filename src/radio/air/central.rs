//! The adapter of the virtual air, in this process or behind a socket.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use super::Air;
use super::link::AirLink;
use super::socket::SocketRadio;
use crate::radio::{Central, PeerAddress, RadioError, RadioState, Sighting};

/// A central on the virtual air.
#[derive(Clone, Debug)]
pub struct AirCentral(Reach);

#[derive(Clone, Debug)]
enum Reach {
    Here(Air),
    Socket(SocketRadio),
}

impl AirCentral {
    /// A central on an air in this process.
    pub fn new(air: Air) -> Self {
        Self(Reach::Here(air))
    }

    /// A central on the air that another process serves at this socket. Nobody needs to serve it yet.
    pub fn over_socket(path: &Path) -> Self {
        Self(Reach::Socket(SocketRadio::new(path)))
    }

    /// Closes every link that was opened over a socket and waits until they are closed. Later connects fail.
    ///
    /// Links on an air in this process belong to [`Air::shutdown`].
    pub async fn shutdown(&self) {
        if let Reach::Socket(radio) = &self.0 {
            radio.shutdown().await;
        }
    }
}

impl Central for AirCentral {
    type Link = AirLink;

    async fn scan(&self, window: Duration) -> Result<Vec<Sighting>, RadioError> {
        match &self.0 {
            Reach::Here(air) => air.scan(window).await,
            Reach::Socket(radio) => radio.scan(window).await,
        }
    }

    async fn connect(&self, peer: &PeerAddress) -> Result<AirLink, RadioError> {
        match &self.0 {
            Reach::Here(air) => air.connect(peer).await,
            Reach::Socket(radio) => radio.connect(peer).await,
        }
    }

    /// An air behind a socket counts as ready: whether somebody serves it is found out by trying.
    fn state(&self) -> watch::Receiver<RadioState> {
        match &self.0 {
            Reach::Here(air) => air.state(),
            Reach::Socket(radio) => radio.state(),
        }
    }
}
