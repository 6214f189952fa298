//! The daemon's end of the socket.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::listener::Limited;
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
/// The caller holds the lock of the state directory: two daemons never serve the same outbox.
pub async fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match UnixStream::connect(path).await {
        Ok(other) => return Err(taken(&other)),
        // Nobody is there, or nobody any more.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {}
        // Somebody is, but does not even accept connections.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            return Err(io::Error::new(
                ErrorKind::AddrInUse,
                "another daemon listens there and does not answer",
            ));
        }
        Err(error) => return Err(error),
    }
    if std::fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "something that is no socket is in its place"));
    }
    // Under another name until the permissions are right, and then at once in its place.
    let unready = path.with_extension("new");
    match std::fs::remove_file(&unready) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unready)?;
    std::fs::set_permissions(&unready, std::fs::Permissions::from_mode(mode))?;
    std::fs::rename(&unready, path)?;
    Ok(listener)
}

fn taken(other: &UnixStream) -> io::Error {
    let pid = other.peer_cred().ok().and_then(|peer| peer.pid());
    let who = pid.map_or_else(|| "another daemon".to_owned(), |pid| format!("process {pid}"));
    io::Error::new(ErrorKind::AddrInUse, format!("{who} answers there; stop that one first"))
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
        .layer(map_response(last_of_its_connection))
        .with_state(control);
    axum::serve(Limited::new(listener), router).with_graceful_shutdown(ending.cancelled_owned()).await
}

/// A connection that is kept for a next request, which may never come, would take somebody's place.
async fn last_of_its_connection(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
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
            next = self.stage.changed() => next.is_ok(),
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
