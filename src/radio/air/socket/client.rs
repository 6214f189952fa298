//! The central's side: opens a connection for each scan and each link.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::frames::{FrameReader, FrameWriter, frames};
use super::messages::{FromAir, ToAir, VERSION};
use super::pump;
use crate::radio::air::link::AirLink;
use crate::radio::{CALL_DEADLINE, PeerAddress, RadioError, RadioState, RadioTrouble, Sighting};

/// An air in another process.
#[derive(Clone, Debug)]
pub struct SocketRadio {
    path: Arc<Path>,
    links: TaskTracker,
    stop: CancellationToken,
    state: watch::Sender<RadioState>,
}

impl SocketRadio {
    pub fn new(path: &Path) -> Self {
        let state = watch::Sender::new(RadioState::Ready);
        Self { path: path.into(), links: TaskTracker::new(), stop: CancellationToken::new(), state }
    }

    pub fn state(&self) -> watch::Receiver<RadioState> {
        self.state.subscribe()
    }

    pub async fn scan(&self, window: Duration) -> Result<Vec<Sighting>, RadioError> {
        let exchange = async {
            match self.ask(ToAir::Scan { window }).await? {
                (FromAir::Sightings(heard), ..) => Ok(heard.into_iter().map(Into::into).collect()),
                (other, ..) => Err(self.unexpected(other)),
            }
        };
        timeout(window.saturating_add(CALL_DEADLINE), exchange)
            .await
            .unwrap_or(Err(RadioError::Timeout("a scan")))
    }

    pub async fn connect(&self, peer: &PeerAddress) -> Result<AirLink, RadioError> {
        let exchange = async {
            match self.ask(ToAir::Connect { peer: peer.clone() }).await? {
                (FromAir::Connected { characteristics, mtu }, reader, writer) => {
                    let (link, end) = AirLink::pair(characteristics, mtu);
                    self.links.spawn(pump::run(end, reader, writer, self.stop.clone()));
                    Ok(link)
                }
                (other, ..) => Err(self.unexpected(other)),
            }
        };
        timeout(CALL_DEADLINE, exchange).await.unwrap_or(Err(RadioError::Timeout("a connect")))
    }

    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.links.close();
        self.links.wait().await;
    }

    /// Opens a connection, says hello and asks the question that the connection is for.
    async fn ask(&self, question: ToAir) -> Result<(FromAir, FrameReader, FrameWriter), RadioError> {
        if self.stop.is_cancelled() {
            return Err(not_ready("this central was shut down".into()));
        }
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.unreachable(error))?;
        let (mut reader, mut writer) = frames(stream);
        self.greet(&mut reader, &mut writer).await?;
        let exchange = async {
            writer.send(&question).await?;
            reader.next().await
        };
        let answer = exchange.await.map_err(|error: io::Error| self.unreachable(error))?;
        Ok((answer, reader, writer))
    }

    async fn greet(&self, reader: &mut FrameReader, writer: &mut FrameWriter) -> Result<(), RadioError> {
        let exchange = async {
            writer.send(&ToAir::Hello { version: VERSION }).await?;
            reader.next().await
        };
        match exchange.await.map_err(|error: io::Error| self.unreachable(error))? {
            FromAir::Hello { version: VERSION } => Ok(()),
            FromAir::Hello { version } => Err(not_ready(format!(
                "the virtual air at {} speaks version {version} of its protocol and this program version {VERSION}; run the \
                 same release on both sides",
                self.path.display()
            ))),
            other => Err(self.unexpected(other)),
        }
    }

    fn unreachable(&self, error: impl fmt::Display) -> RadioError {
        not_ready(format!(
            "nobody serves a virtual air at {} ({error}); start `nowbridge sim-watch` first",
            self.path.display()
        ))
    }

    fn unexpected(&self, message: FromAir) -> RadioError {
        match message {
            FromAir::Refused(failure) => failure.into(),
            _ => {
                RadioError::Other(format!("the virtual air at {} answered out of turn", self.path.display()))
            }
        }
    }
}

fn not_ready(detail: String) -> RadioError {
    RadioError::NotReady(RadioTrouble::NoService { detail })
}
