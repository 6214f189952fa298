//! The daemon's end of the socket.

use std::fmt;
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
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::desk::{Complaint, DeskError, Fault, find};
use super::ledger_routes;
use super::listener::Limited;
use super::radio_routes;
use super::stage::{Changes, Stage};
use super::status::{Asked, Status};
use super::update_routes;
use super::verify_route;
use crate::measurement::UtcMicros;
use crate::outbox::OutboxError;

/// A line at most this often, however fast things change.
const EVENT_SPACING: Duration = Duration::from_millis(200);

/// What the answers are made of.
#[derive(Clone)]
pub(super) struct Control {
    pub stage: watch::Receiver<Stage>,
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
        .merge(radio_routes::routes())
        .merge(ledger_routes::routes())
        .merge(verify_route::routes())
        .merge(update_routes::routes())
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
    /// The status now, and what to wait for before the next.
    ///
    /// What still ran when it was asked may be closed before it answers. The stage has changed then, and is asked instead: an orderly end
    /// is no failure.
    async fn look(&mut self) -> (Result<Status, OutboxError>, Changes) {
        loop {
            let stage = self.stage.borrow_and_update().clone();
            let changes = stage.changes();
            match stage.status(self.started).await {
                Err(OutboxError::Closed) if self.stage.has_changed().unwrap_or(false) => {}
                told => return (told, changes),
            }
        }
    }

    /// A line, and what to wait for before the next. A line that says why there is no status is the last.
    async fn line(&mut self) -> Option<(Vec<u8>, Option<Changes>)> {
        let (line, changes) = match self.look().await {
            (Ok(status), changes) => (serde_json::to_vec(&status), Some(changes)),
            (Err(error), _) => (serde_json::to_vec(&DeskError::from(error).complaint()), None),
        };
        let mut line = line.ok()?;
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

async fn status(State(mut control): State<Control>) -> Response {
    match control.look().await.0 {
        Ok(status) => Json(status).into_response(),
        Err(error) => complain(&DeskError::from(error).complaint()),
    }
}

/// A status now, and another after every change.
async fn events(State(control): State<Control>) -> Response {
    let before_first: Option<Changes> = None;
    let lines = futures_util::stream::unfold(Some((control, before_first)), |walk| async move {
        let (mut control, last) = walk?;
        if let Some(changes) = last {
            tokio::time::sleep(EVENT_SPACING).await;
            if !control.changed(changes).await {
                return None;
            }
        }
        let (line, changes) = control.line().await?;
        let next = changes.map(|changes| (control, Some(changes)));
        Some((Ok::<_, io::Error>(Bytes::from(line)), next))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// Whom to sync with.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SyncRequest {
    watch: Option<String>,
}

async fn sync_now(State(control): State<Control>, body: Bytes) -> Response {
    let request: SyncRequest = match read(&body) {
        Ok(request) => request,
        Err(refused) => return complain(&refused),
    };
    let Stage::Running(parts) = control.stage.borrow().clone() else {
        return complain(&DeskError::Stopping.complaint());
    };
    let seats = parts.seats.borrow().clone();
    let asked = match &request.watch {
        None => seats,
        Some(watch) => match find(&seats, watch) {
            Ok(seat) => vec![seat.clone()],
            Err(error) => return complain(&error.complaint()),
        },
    };
    for watch in asked.iter().filter_map(|seat| seat.sync_now.as_ref()) {
        watch.notify_one();
    }
    let not_now = asked.iter().map(|seat| seat.status.borrow().clone());
    let not_now = not_now.filter(|status| status.state.is_barred()).collect();
    Json(Asked { watches: asked.len() as u64, not_now }).into_response()
}

/// What a request says; nothing at all is as good as `{}`.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Complaint> {
    let body = if body.is_empty() { b"{}" } else { body };
    let unreadable = |why: &dyn fmt::Display| Complaint {
        fault: Fault::Request,
        message: format!("the request cannot be read: {why}"),
    };
    // A list would be taken for the fields in their order, and an empty one for all the defaults.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(unreadable(&"it must be a JSON object, not a list"));
    }
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

/// Refuses.
pub(super) fn complain(complaint: &Complaint) -> Response {
    let status = match complaint.fault {
        Fault::UnknownWatch => StatusCode::NOT_FOUND,
        Fault::Request => StatusCode::BAD_REQUEST,
        Fault::Busy => StatusCode::CONFLICT,
        Fault::RadioOff | Fault::NoCloud | Fault::Stopping | Fault::Unreachable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Fault::Firmware => StatusCode::UNPROCESSABLE_ENTITY,
        Fault::Pairing | Fault::Login | Fault::Trust => StatusCode::FORBIDDEN,
        Fault::CannotWrite => StatusCode::INSUFFICIENT_STORAGE,
        Fault::Damaged | Fault::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, Json(complaint)).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Clock;
    use crate::control::{Parts, StageName};
    use crate::outbox::Outbox;

    #[tokio::test]
    async fn what_is_closed_while_somebody_asks_is_an_end_and_no_failure() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(directory.path(), Clock::System).await.unwrap();
        let parts = Parts {
            outbox: outbox.clone(),
            radio: None,
            seats: watch::channel(Vec::new()).1,
            desk: None,
            time: watch::channel(crate::sync::ClockStatus::default()).1,
            cloud: None,
            sinks: Vec::new(),
            arrivals: Arc::default(),
            updates: None,
            failing: watch::channel(Vec::new()).1,
        };
        let (sender, stage) = watch::channel(Stage::Running(Arc::new(parts)));
        let mut control = Control { stage, started: UtcMicros(1), ending: CancellationToken::new() };
        outbox.close().await.unwrap();
        let (told, _) = control.look().await;
        assert!(matches!(told, Err(OutboxError::Closed)), "nobody said that it ends");

        let (told, ()) = tokio::join!(biased; control.look(), async { drop(sender.send(Stage::Stopping)) });
        assert_eq!(told.0.unwrap().daemon.stage, StageName::Stopping);
    }

    #[test]
    fn a_list_is_no_request() {
        #[derive(Debug, serde::Deserialize)]
        struct Request {
            #[serde(default)]
            seconds: u32,
        }
        let refused = read::<Request>(b" []").unwrap_err();
        assert_eq!(refused.fault, Fault::Request);
        assert_eq!(refused.message, "the request cannot be read: it must be a JSON object, not a list");
        assert!(read::<Request>(b"[8]").is_err());
        assert_eq!(read::<Request>(b"").unwrap().seconds + read::<Request>(b"{}").unwrap().seconds, 0);
    }
}
