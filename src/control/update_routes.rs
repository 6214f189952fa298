//! Firmware for the watches, on the socket.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::desk::{DeskError, find};
use super::ledger_routes::answer;
use super::server::{Control, complain, read};
use super::updates::{FirmwareAnswer, UpdateAsk, UpdateRequest, UpdatesAnswer, UpdatesView};
use crate::firmware::{Label, Papers, StoreError};
use crate::outbox::UpdateStep;

/// Updates that are over, of a list.
const LATEST: u32 = 10;
/// A dry run looks at the watch, and an offer is fetched first.
const DEADLINE: Duration = Duration::from_mins(10);
/// A file of another process comes through a local socket.
const TAKING: Duration = Duration::from_mins(1);

/// The routes.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/v1/firmware", put(take))
        .route("/v1/update", get(list).post(ask))
        .route("/v1/update/cancel", post(cancel))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    watch: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelRequest {
    watch: String,
}

impl Control {
    fn updates(&self) -> Result<UpdatesView, DeskError> {
        self.parts()?.updates.clone().ok_or(DeskError::RadioOff)
    }
}

async fn take(State(control): State<Control>, body: Body) -> Response {
    answer(async {
        let view = control.updates()?;
        let most = usize::try_from(view.largest).unwrap_or(usize::MAX);
        let taking = timeout(TAKING, axum::body::to_bytes(body, most)).await;
        let bytes: Bytes = match taking {
            Ok(Ok(bytes)) if !bytes.is_empty() => bytes,
            Ok(Ok(_)) => return Err(bad("the file is empty".to_owned())),
            Ok(Err(_)) => {
                return Err(bad(format!(
                    "the file has more than {most} bytes; no firmware of a watch has, and firmware.max_size says how many may be"
                )));
            }
            Err(_) => return Err(DeskError::Overdue("the file")),
        };
        let size = bytes.len() as u64;
        let put = view.store.put(bytes, Papers::default(), Label::default(), view.keep_free).await;
        let sha256 = put.map_err(|error| match error {
            StoreError::Busy { .. } => DeskError::Busy("a download of firmware".to_owned()),
            error => DeskError::Broken(error.to_string()),
        })?;
        Ok(FirmwareAnswer { sha256, size })
    })
    .await
}

async fn ask(State(control): State<Control>, body: Bytes) -> Response {
    let request: UpdateRequest = match read(&body) {
        Ok(request) => request,
        Err(refused) => return complain(&refused),
    };
    answer(async {
        let (parts, view) = (control.parts()?, control.updates()?);
        let seat = find(&parts.seats.borrow(), &request.watch)?.clone();
        let (reply, answered) = oneshot::channel();
        let brought = view.requests.send(UpdateAsk { request, seat, reply }).await;
        brought.map_err(|_| DeskError::Stopping)?;
        match timeout(DEADLINE, answered).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err(DeskError::Stopping),
            Err(_) => Err(DeskError::Overdue("the look at the watch and its firmware")),
        }
    })
    .await
}

async fn list(State(control): State<Control>, query: Query<ListQuery>) -> Response {
    answer(async {
        let (parts, view) = (control.parts()?, control.updates()?);
        let device = match &query.watch {
            Some(watch) => Some(parts.known().await?.device(watch)?),
            None => None,
        };
        let seats = parts.seats.borrow().clone();
        let mut open = view.open(&parts.outbox, &seats).await?;
        open.retain(|update| device.is_none_or(|device| device == update.device));
        let mut latest = parts.outbox.updates(device, LATEST).await?;
        latest.retain(|row| row.ended.is_some());
        Ok(UpdatesAnswer { open, latest })
    })
    .await
}

async fn cancel(State(control): State<Control>, body: Bytes) -> Response {
    let CancelRequest { watch } = match read(&body) {
        Ok(request) => request,
        Err(refused) => return complain(&refused),
    };
    answer(async {
        let (parts, view) = (control.parts()?, control.updates()?);
        let device = parts.known().await?.device(&watch)?;
        let row = parts.outbox.open_update(device).await?.ok_or(DeskError::NoUpdate(watch))?;
        if row.started {
            return Err(DeskError::TooLate);
        }
        // Written down first: whatever happens now, it is not taken up again.
        let why = "called off by somebody".to_owned();
        parts.outbox.begin_update_step(row.key, UpdateStep::Cancelled, why).await?;
        view.cancelled.send_replace(Some(device));
        view.bell.notify_one();
        Ok(row)
    })
    .await
}

const fn bad(problem: String) -> DeskError {
    DeskError::Firmware { problem, about_trust: false }
}
