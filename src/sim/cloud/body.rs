//! Reading what a client sends, with limits: bytes, time, and JSON objects.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// A JSON body larger than this is refused.
pub(super) const JSON_LIMIT: usize = 64 * 1024;

/// A client that has not sent its body by then is told so. Long enough for a full upload over a poor line.
const DEADLINE: Duration = Duration::from_mins(5);

/// So much of a body that is refused anyway is still read. A client that is cut off while it sends sees a broken
/// connection, where it should see our answer.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// The whole body, if it has at most `limit` bytes.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(DEADLINE, gather(body, limit)).await {
        Ok(result) => result,
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {} s", DEADLINE.as_secs()),
        )),
    }
}

/// Reads a body that nobody wants.
pub(super) async fn drain(body: Body) {
    // What is wrong with it matters no more.
    let _ = read(body, 0).await;
}

async fn gather(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    let (mut kept, mut seen) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Refusal::bad_request(format!("the body broke off: {error}")))?;
        seen = seen.saturating_add(chunk.len());
        if seen <= limit {
            kept.extend_from_slice(&chunk);
        } else {
            kept = Vec::new();
        }
        if seen > DRAIN_LIMIT.max(limit) {
            break;
        }
    }
    if seen > limit {
        return Err(Refusal::too_large(format!("the body has more than {limit} bytes; send less at a time")));
    }
    Ok(kept.into())
}

/// A JSON object whose fields are asked for by name; what is wrong with them is gathered, so that one answer names it all.
pub(super) struct Fields {
    object: Map<String, Value>,
    faults: Vec<String>,
}

impl Fields {
    /// Reads a body that must be a JSON object.
    pub async fn read(body: Body) -> Result<Self, Refusal> {
        let bytes = read(body, JSON_LIMIT).await?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self { object, faults: Vec::new() }),
            Ok(_) => Err(Refusal::bad_request("the body must be a JSON object")),
            Err(error) => Err(Refusal::bad_request(format!("the body is not JSON: {error}"))),
        }
    }

    /// A required text.
    pub fn text(&mut self, name: &str) -> String {
        if let Some(Value::String(text)) = self.object.remove(name) {
            return text;
        }
        self.faults.push(format!("{name} must be a string"));
        String::new()
    }

    /// A required date-time, as Unix milliseconds.
    pub fn instant(&mut self, name: &str) -> i64 {
        let text = self.object.get(name).and_then(Value::as_str);
        if let Some(instant) = text.and_then(|text| text.parse::<jiff::Timestamp>().ok()) {
            return instant.as_millisecond();
        }
        self.faults.push(format!("{name} must be a date-time such as 2023-01-01T00:00:00Z"));
        0
    }

    /// A required object.
    pub fn object(&mut self, name: &str) -> Map<String, Value> {
        if let Some(Value::Object(object)) = self.object.remove(name) {
            return object;
        }
        self.faults.push(format!("{name} must be an object"));
        Map::new()
    }

    /// The faults found so far, as a refusal.
    pub fn check(self) -> Result<(), Refusal> {
        self.checked_with(Vec::new())
    }

    /// As [`Fields::check`], with faults that were found elsewhere.
    pub fn checked_with(mut self, more: Vec<String>) -> Result<(), Refusal> {
        // A field that is missing altogether needs no second complaint about its content.
        let named =
            |fault: &String| self.faults.iter().any(|f| f.split(' ').next() == fault.split(' ').next());
        let more: Vec<String> = more.into_iter().filter(|fault| !named(fault)).collect();
        self.faults.extend(more);
        if self.faults.is_empty() { Ok(()) } else { Err(Refusal::faults(self.faults)) }
    }
}
