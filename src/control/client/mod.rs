//! The command line's end of the socket.

mod ledger;
mod lines;
mod radio;
mod updates;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::Stream;
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;

use super::desk::Complaint;
use super::status::{Asked, Status};
use crate::cloud::install_crypto;

/// The daemon answers at once or something is wrong with it.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no daemon answers at {}; start it with `nowbridge run`, or name its configuration with --config", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The socket belongs to somebody else.
    #[error("not allowed to use {}; run as the daemon's user, or join its group", path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon refused, and said why.
    #[error(transparent)]
    Refused(Complaint),
    /// The daemon answered nonsense.
    #[error("the daemon did not answer as expected: {0}")]
    Answer(String),
    /// It ended in the middle of its answer.
    #[error(
        "the daemon ended, or was ended, in the middle of its answer; see whether it runs, and ask again"
    )]
    BrokenOff(#[source] reqwest::Error),
    /// The connection.
    #[error("the daemon could not be asked: {0}")]
    Http(#[from] reqwest::Error),
}

/// A connection to a running daemon.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
}

impl Client {
    /// For the daemon whose control socket is at `path`. Fails at once if nobody listens there.
    pub async fn connect(path: &Path) -> Result<Self, ControlError> {
        if let Err(error) = tokio::net::UnixStream::connect(path).await {
            let path = path.to_owned();
            return Err(match error.kind() {
                std::io::ErrorKind::PermissionDenied => ControlError::NotAllowed { path },
                _ => ControlError::NotRunning { path },
            });
        }
        install_crypto();
        // Neither proxies nor certificates have a part in this; looking for them takes longer than the answer.
        let http = reqwest::Client::builder().unix_socket(path).no_proxy().tls_certs_only([]);
        let http = http.connect_timeout(DEADLINE).build()?;
        Ok(Self { http })
    }

    /// What is going on.
    pub async fn status(&self) -> Result<Status, ControlError> {
        answer(self.http.get(url("status")).timeout(DEADLINE).send().await?).await
    }

    /// What is going on, again after every change, until the daemon ends.
    pub async fn events(&self) -> Result<impl Stream<Item = Result<Status, ControlError>>, ControlError> {
        let response = timeout(DEADLINE, self.http.get(url("events")).send()).await;
        let response = response.map_err(|_| ControlError::Answer("no line within 10 s".to_owned()))??;
        Ok(lines::objects(response.bytes_stream()))
    }

    /// Asks for a session with one watch, or with every one; how many there are, and which of them it will not reach now.
    pub async fn sync_now(&self, watch: Option<&str>) -> Result<Asked, ControlError> {
        let request = self.http.post(url("sync")).json(&json!({ "watch": watch })).timeout(DEADLINE);
        answer(request.send().await?).await
    }
}

fn url(verb: &str) -> String {
    format!("http://nowbridge/v1/{verb}")
}

async fn answer<T: DeserializeOwned>(response: reqwest::Response) -> Result<T, ControlError> {
    let status = response.status();
    let body = response.bytes().await.map_err(|error| {
        if error.is_timeout() { ControlError::Http(error) } else { ControlError::BrokenOff(error) }
    })?;
    if !status.is_success() {
        return Err(refusal(status, &body));
    }
    serde_json::from_slice(&body).map_err(|error| ControlError::Answer(error.to_string()))
}

fn refusal(status: StatusCode, body: &[u8]) -> ControlError {
    match serde_json::from_slice::<Complaint>(body) {
        Ok(complaint) => ControlError::Refused(complaint),
        Err(_) => ControlError::Answer(status.to_string()),
    }
}
