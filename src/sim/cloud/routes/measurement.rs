//! Reading and deleting measurements.

use std::collections::HashMap;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};

use super::authenticate;
use crate::measurement::{Day, Kind};
use crate::sim::cloud::refusal::{Refusal, iso};
use crate::sim::cloud::store::{self, DayRow, UserId};
use crate::sim::cloud::{PrivateCloud, PrivateCloudError};

/// A leap year: what one answer spans at most.
const DAYS_LIMIT: i32 = 366;

type Parameters = Result<Query<HashMap<String, String>>, QueryRejection>;

/// One day of one kind, as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DayObject {
    /// JSON in a string: the API's own shape.
    values: String,
    count: usize,
    r#type: Kind,
    day: String,
    created: String,
    updated_at: String,
}

/// GET /v1/measurement. The days are rendered one by one as the client reads, so a year needs no more memory than a day.
pub(super) async fn list(
    State(cloud): State<PrivateCloud>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let user = authenticate(&cloud, &headers).await?;
    refuse_sharing(&headers)?;
    let query = Asked::read(parameters, true)?;
    if query.last.number() - query.first.number() >= DAYS_LIMIT {
        return Err(Refusal::bad_request(format!(
            "end_day must be within {DAYS_LIMIT} days of start_day; ask for less at a time"
        )));
    }
    let Asked { kind, first, last, descending } = query;
    let mut days = cloud.store.read(move |tx| store::days(tx, user, kind, first, last)).await?;
    if descending {
        days.reverse();
    }
    let body = Body::from_stream(array(rendered(cloud, user, kind, days)));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// DELETE /v1/measurement. The answer is ours.
pub(super) async fn delete(
    State(cloud): State<PrivateCloud>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Value>, Refusal> {
    let user = authenticate(&cloud, &headers).await?;
    let Asked { kind, first, last, .. } = Asked::read(parameters, false)?;
    let deleted = cloud.store.write(move |tx| store::delete(tx, user, kind, first, last)).await?;
    Ok(Json(json!({ "status": "success", "deleted": deleted })))
}

/// The header asks for the data of another user; nobody shares here.
fn refuse_sharing(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key("shared-user") {
        let message = "shared-user: the private cloud shares no data between users";
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    Ok(())
}

/// What the query asks for.
struct Asked {
    kind: Kind,
    first: Day,
    last: Day,
    descending: bool,
}

impl Asked {
    fn read(parameters: Parameters, sorted: bool) -> Result<Self, Refusal> {
        let Query(given) = parameters.map_err(|error| Refusal::bad_request(error.body_text()))?;
        let mut faults = Vec::new();
        let text = |name: &str| given.get(name).map(String::as_str).unwrap_or_default();
        let kind = text("type").parse().map_err(|error| faults.push(format!("type: {error}")));
        let mut day = |name| day(name, text(name)).map_err(|fault| faults.push(fault));
        let (first, last) = (day("start_day"), day("end_day"));
        if sorted && !matches!(text("sort"), "ASC" | "DESC") {
            faults.push("sort must be ASC or DESC".to_owned());
        }
        let (Ok(kind), Ok(first), Ok(last), true) = (kind, first, last, faults.is_empty()) else {
            return Err(Refusal::faults(faults));
        };
        if last < first {
            return Err(Refusal::bad_request("end_day must not be before start_day"));
        }
        Ok(Self { kind, first, last, descending: text("sort") == "DESC" })
    }
}

fn day(name: &str, text: &str) -> Result<Day, String> {
    match text.parse::<Day>() {
        // Other spellings of ISO 8601 are days too, but not to the API.
        Ok(day) if day.to_string() == text => Ok(day),
        _ => Err(format!("{name} must be a day written as YYYY-MM-DD")),
    }
}

/// The JSON object of each day.
fn rendered(
    cloud: PrivateCloud,
    user: UserId,
    kind: Kind,
    days: Vec<DayRow>,
) -> impl Stream<Item = Result<Vec<u8>, PrivateCloudError>> {
    stream::iter(days).then(move |row| {
        let store = cloud.store.clone();
        async move {
            let (values, count) = store
                .read(move |tx| store::render_day(tx, user, kind, row.day))
                .await
                .inspect_err(|error| tracing::error!(%error, day = %row.day, "a day cannot be read out"))?;
            let object = DayObject {
                values,
                count,
                r#type: kind,
                day: iso(row.day.at(0).0 * 1_000),
                created: iso(row.created_ms),
                updated_at: iso(row.updated_ms),
            };
            Ok(serde_json::to_vec(&object).expect("a struct of texts and numbers is JSON"))
        }
    })
}

/// Wraps objects into a JSON array.
fn array(
    objects: impl Stream<Item = Result<Vec<u8>, PrivateCloudError>>,
) -> impl Stream<Item = Result<Bytes, PrivateCloudError>> {
    let bracket = |bracket| stream::iter([Ok(Bytes::from_static(bracket))]);
    let separated = objects.enumerate().map(|(index, object)| {
        let mut object = object?;
        if index > 0 {
            object.insert(0, b',');
        }
        Ok(Bytes::from(object))
    });
    bracket(b"[").chain(separated).chain(bracket(b"]"))
}
