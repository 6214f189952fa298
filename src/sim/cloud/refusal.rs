//! Every error answers in the API's shape: `{timestamp, path, message[], statusCode}`.
//!
//! The shape is documented for 400; that other errors have it too is our assumption. A handler returns a [`Refusal`]; one
//! layer round all routes, [`in_shape`], adds what only it knows (path and time) and catches what axum itself answers.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::PrivateCloudError;
use crate::clock::Clock;

/// An error answer before it knows its path.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub messages: Vec<String>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// The body of an error answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    timestamp: String,
    path: &'a str,
    message: Vec<String>,
    status_code: u16,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, messages: vec![message.into()], header: None }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 with a message per fault.
    pub fn faults(messages: Vec<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, messages, header: None }
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub fn unauthorized(message: impl Into<String>) -> Self {
        let challenge = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Self { header: Some(challenge), ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }
}

impl From<PrivateCloudError> for Refusal {
    fn from(error: PrivateCloudError) -> Self {
        match error {
            PrivateCloudError::Unfit(messages) => Self::faults(messages),
            PrivateCloudError::EmailTaken(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            error => {
                // The cause belongs in the owner's log; a client can do nothing with it but try again.
                tracing::error!(%error, "a request failed inside the private cloud");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the private cloud failed; its log says why")
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some((name, value)) = self.header.clone() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The layer that gives every error answer its body.
pub(super) async fn in_shape(State(clock): State<Clock>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let messages = parts
        .extensions
        .remove::<Refusal>()
        .map_or_else(|| vec![unexplained(status, &method, &path)], |refusal| refusal.messages);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, error_body(clock, &path, status, messages))
}

/// An error body in the API's shape.
pub(super) fn error_body(clock: Clock, path: &str, status: StatusCode, message: Vec<String>) -> Body {
    let timestamp = iso(clock.now().millis());
    Json(ErrorBody { timestamp, path, message, status_code: status.as_u16() }).into_response().into_body()
}

fn unexplained(status: StatusCode, method: &Method, path: &str) -> String {
    match status {
        StatusCode::NOT_FOUND => format!("Cannot {method} {path}"),
        StatusCode::METHOD_NOT_ALLOWED => format!("{path} does not answer to {method}"),
        _ => status.canonical_reason().unwrap_or("refused").to_owned(),
    }
}

/// Unix milliseconds as the API writes an instant: `2023-01-01T00:00:00.000Z`.
pub(super) fn iso(unix_ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{instant:.3}")
}
