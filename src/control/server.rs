//! The daemon's end of the socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::stage::Stage;
use super::status::Status;
use crate::measurement::UtcMicros;
use crate::outbox::OutboxError;

/// A line at most this often, however fast things change.
const EVENT_SPACING: Duration = Duration::from_millis(200);

#[derive(Clone)]
struct Control {
    stage: watch::Receiver<Stage>,
    started: UtcMicros,
    ending: CancellationToken,
}

/// Binds the socket with the given permissions. A socket file that nobody answers on any more is replaced.
///
/// The caller holds the lock of the state directory or is about to take it: two daemons never serve the same outbox.
pub fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon answers there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Serves until cancelled; open event streams end with it.
pub async fn serve(
    listener: UnixListener,
    stage: watch::Receiver<Stage>,
    started: UtcMicros,
    ending: CancellationToken,
) -> io::Result<()> {
    let control = Control { stage, started, ending: ending.clone() };
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/events", get(events))
        .route("/v1/sync", post(sync_now))
        .with_state(control);
    axum::serve(listener, router).with_graceful_shutdown(ending.cancelled_owned()).await
}

impl Control {
    async fn status(&self) -> Result<Status, OutboxError> {
        let stage = self.stage.borrow().clone();
        stage.status(self.started).await
    }

    /// Waits for the next change worth a line. `false` when the daemon ends.
    async fn changed(&mut self) -> bool {
        let stage = self.stage.borrow_and_update().clone();
        let change = async {
            match &stage {
                Stage::Running(parts) => parts.changed().await,
                Stage::Starting | Stage::Stopping => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.ending.cancelled() => false,
            changed = self.stage.changed() => changed.is_ok(),
            () = change => true,
        }
    }
}

async fn status(State(control): State<Control>) -> Response {
    match control.status().await {
        Ok(status) => Json(status).into_response(),
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// A status now, and another after every change.
async fn events(State(control): State<Control>) -> Response {
    let lines = futures_util::stream::unfold((control, true), |(mut control, first)| async move {
        if !first {
            tokio::time::sleep(EVENT_SPACING).await;
            if !control.changed().await {
                return None;
            }
        }
        let status = control.status().await.ok()?;
        let mut line = serde_json::to_vec(&status).ok()?;
        line.push(b'\n');
        Some((Ok::<_, io::Error>(Bytes::from(line)), (control, false)))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

async fn sync_now(State(control): State<Control>) -> Response {
    let stage = control.stage.borrow().clone();
    let Stage::Running(parts) = stage else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the daemon is starting or stopping; try again");
    };
    parts.sync_now.iter().for_each(|watch| watch.notify_one());
    Json(json!({ "watches": parts.sync_now.len() })).into_response()
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}
