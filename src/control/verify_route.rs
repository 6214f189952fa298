//! The comparison with the cloud, on the socket: the daemon makes it, as it has the login.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::desk::DeskError;
use super::ledger::{VerifyLine, VerifyRequest};
use super::ledger_routes::line;
use super::server::{Control, complain, read};
use crate::cloud::Client;
use crate::measurement::Day;
use crate::upload::{Verifier, VerifyOptions};

/// Days before today that are looked at unless told otherwise.
const DAYS: i32 = 7;

/// The route.
pub(super) fn routes() -> Router<Control> {
    Router::new().route("/v1/verify", post(verify))
}

async fn verify(State(control): State<Control>, body: Bytes) -> Response {
    let request: VerifyRequest = match read(&body) {
        Ok(request) => request,
        Err(refused) => return complain(&refused),
    };
    match begin(&control, &request).await {
        Ok(verifier) => ([(header::CONTENT_TYPE, "application/x-ndjson")], lines(verifier)).into_response(),
        Err(error) => complain(&error.complaint()),
    }
}

async fn begin(control: &Control, request: &VerifyRequest) -> Result<Verifier<Client>, DeskError> {
    let parts = control.parts()?;
    let cloud = parts.cloud.as_ref().ok_or(DeskError::NoCloud)?;
    let today = parts.outbox.clock().now().seconds().day();
    let day = |text: &Option<String>, otherwise: Day| {
        let parsed = text.as_ref().map_or(Ok(otherwise), |text| text.parse::<Day>());
        parsed.map_err(|error| DeskError::BadDays(error.to_string()))
    };
    let to = day(&request.to, today)?;
    let from = day(&request.from, Day::from_number(to.number() - DAYS))?;
    if from > to {
        return Err(DeskError::BadDays(format!("{from} is after {to}; the first day comes first")));
    }
    let options = VerifyOptions { sink: cloud.sink.clone(), from, to, repair: request.repair };
    let verifier = Verifier::begin(cloud.client.clone(), parts.outbox.clone(), options).await?;
    Ok(verifier.waking(std::sync::Arc::clone(&parts.arrivals)))
}

/// A day at a time; whoever hangs up calls it off.
fn lines(verifier: Verifier<Client>) -> Body {
    Body::from_stream(futures_util::stream::unfold(Some(verifier), |verifier| async move {
        let mut verifier = verifier?;
        let (told, goes_on) = match verifier.next().await {
            Ok(Some(check)) => (VerifyLine::Day(check), true),
            Ok(None) => (VerifyLine::End { end: verifier.end() }, false),
            Err(error) => (VerifyLine::Failed(DeskError::from(error).complaint()), false),
        };
        let mut text = Vec::new();
        let text = line(&mut text, &told).map(|()| Bytes::from(text));
        Some((text, goes_on.then_some(verifier)))
    }))
}
