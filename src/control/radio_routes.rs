//! Radio matters on the socket: each is brought to the desk of the task that has the radio.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::desk::{Complaint, DeskError, Fault, Job, News, PairingAnswer, RadioDesk, Word, find};
use super::server::{Control, complain, read};
use super::stage::Stage;
use crate::sync::WatchState;

/// How long a scan listens unless told otherwise.
const SCAN_SECONDS: u32 = 8;
/// How long a person has to pair unless told otherwise.
const PAIR_SECONDS: u32 = 60;

/// A watcher that hears of a hold ends its link, which takes a radio a moment.
const LET_GO_WITHIN: Duration = Duration::from_secs(5);

/// The routes.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/v1/scan", post(scan))
        .route("/v1/probe", post(probe))
        .route("/v1/pair", post(pair))
        .route("/v1/pair/answer", post(answer))
        .route("/v1/repair", post(repair))
        .route("/v1/unpair", post(unpair))
        .route("/v1/hold", post(hold))
        .route("/v1/release", post(release))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanRequest {
    #[serde(default = "scan_seconds")]
    seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairRequest {
    address: String,
    #[serde(default = "pair_seconds")]
    seconds: u32,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepairRequest {
    watch: String,
    #[serde(default = "pair_seconds")]
    seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchRequest {
    watch: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldRequest {
    watch: String,
    seconds: Option<u32>,
}

/// Either a passkey or a yes; both or neither make no sense.
#[derive(Deserialize)]
struct AnswerRequest {
    id: u64,
    #[serde(flatten)]
    answer: PairingAnswer,
}

const fn scan_seconds() -> u32 {
    SCAN_SECONDS
}

const fn pair_seconds() -> u32 {
    PAIR_SECONDS
}

async fn scan(State(control): State<Control>, body: Bytes) -> Response {
    job(&control, read(&body).map(|ScanRequest { seconds }| Job::Scan { seconds })).await
}

async fn probe(State(control): State<Control>, body: Bytes) -> Response {
    job(&control, read(&body).map(|WatchRequest { watch }| Job::Probe { watch })).await
}

async fn pair(State(control): State<Control>, body: Bytes) -> Response {
    let pair = |PairRequest { address, seconds, name }| Job::Pair { address, seconds, name };
    job(&control, read(&body).map(pair)).await
}

async fn repair(State(control): State<Control>, body: Bytes) -> Response {
    let repair = |RepairRequest { watch, seconds }| Job::Repair { watch, seconds };
    job(&control, read(&body).map(repair)).await
}

async fn unpair(State(control): State<Control>, body: Bytes) -> Response {
    job(&control, read(&body).map(|WatchRequest { watch }| Job::Unpair { watch })).await
}

async fn answer(State(control): State<Control>, body: Bytes) -> Response {
    word(&control, read(&body).map(|AnswerRequest { id, answer }| Word::Answer { id, answer })).await
}

async fn hold(State(control): State<Control>, body: Bytes) -> Response {
    let HoldRequest { watch, seconds } = match read(&body) {
        Ok(request) => request,
        Err(refused) => return complain(&refused),
    };
    if seconds == Some(0) {
        let message = "0 s is no time to hold a watch; it may be 1 or more, and without it the hold lasts until a release";
        return complain(&Complaint { fault: Fault::Request, message: message.to_owned() });
    }
    let time = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let said = word(&control, Ok(Word::Hold { watch: watch.clone(), time })).await;
    if said.status().is_success() {
        let_go(&control, &watch).await;
    }
    said
}

/// Waits until the daemon has let go of a watch, so that whoever asked for that finds it free; but not for long.
async fn let_go(control: &Control, watch: &str) {
    let seat = match &*control.stage.borrow() {
        Stage::Running(parts) => find(&parts.seats.borrow(), watch).ok().cloned(),
        Stage::Starting | Stage::Stopping => None,
    };
    if let Some(mut seat) = seat {
        let held = seat.status.wait_for(|status| matches!(status.state, WatchState::Held { .. }));
        // If it takes longer, the status tells.
        let _ = timeout(LET_GO_WITHIN, held).await;
    }
}

async fn release(State(control): State<Control>, body: Bytes) -> Response {
    word(&control, read(&body).map(|WatchRequest { watch }| Word::Release { watch })).await
}

/// Begins a job; its news are the answer, line by line.
async fn job(control: &Control, job: Result<Job, Complaint>) -> Response {
    let job = match job {
        Ok(job) => job,
        Err(refused) => return complain(&refused),
    };
    let begun = match desk(control) {
        Ok(desk) => desk.begin(job).await,
        Err(error) => Err(error),
    };
    match begun {
        Ok(news) => stream(news),
        Err(error) => complain(&error.complaint()),
    }
}

async fn word(control: &Control, word: Result<Word, Complaint>) -> Response {
    let word = match word {
        Ok(word) => word,
        Err(refused) => return complain(&refused),
    };
    let said = match desk(control) {
        Ok(desk) => desk.say(word).await,
        Err(error) => Err(error),
    };
    match said {
        Ok(done) => Json(json!({ "watch": done.watch, "changed": done.changed })).into_response(),
        Err(error) => complain(&error.complaint()),
    }
}

fn desk(control: &Control) -> Result<RadioDesk, DeskError> {
    match &*control.stage.borrow() {
        Stage::Running(parts) => parts.desk.clone().ok_or(DeskError::RadioOff),
        Stage::Starting | Stage::Stopping => Err(DeskError::Stopping),
    }
}

/// When the client hangs up, the stream is dropped and with it the receiver: that calls the job off.
fn stream(news: mpsc::Receiver<News>) -> Response {
    let lines = futures_util::stream::unfold(news, |mut news| async move {
        let told = news.recv().await?;
        let mut line = serde_json::to_vec(&told).map_err(io::Error::other);
        if let Ok(line) = &mut line {
            line.push(b'\n');
        }
        Some((line.map(Bytes::from), news))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
