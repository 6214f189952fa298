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

use super::stage::{Changes, Stage};
use crate::measurement::UtcMicros;

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
    /// A line, and what to wait for before the next. `None` if there is nothing to tell any more.
    async fn line(&mut self) -> Option<(Vec<u8>, Changes)> {
        let stage = self.stage.borrow_and_update().clone();
        let changes = stage.changes();
        let status = stage.status(self.started).await.ok()?;
        let mut line = serde_json::to_vec(&status).ok()?;
        line.push(b'\n');
        Some((line, changes))
    }

    /// Waits for the next change worth a line. `false` when the daemon ends.
    async fn changed(&mut self, mut changes: Changes) -> bool {
        tokio::select! {
            () = self.ending.cancelled() => false,
            changed = self.stage.changed() => changed.is_ok(),
            () = changes.next() => true,
        }
    }
}

async fn status(State(control): State<Control>) -> Response {
    let stage = control.stage.borrow().clone();
    match stage.status(control.started).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// A status now, and another after every change.
async fn events(State(control): State<Control>) -> Response {
    let before_first: Option<Changes> = None;
    let lines = futures_util::stream::unfold((control, before_first), |(mut control, last)| async move {
        if let Some(changes) = last {
            tokio::time::sleep(EVENT_SPACING).await;
            if !control.changed(changes).await {
                return None;
            }
        }
        let (line, changes) = control.line().await?;
        Some((Ok::<_, io::Error>(Bytes::from(line)), (control, Some(changes))))
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
