//! POST /v1/measurement/upload: a zipped CSV and the name of its kind.
//!
//! Only the two parts are documented. The answer, the limits and `Idempotency-Key` are ours.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::authenticate;
use crate::measurement::{Kind, Reading};
use crate::sim::cloud::refusal::Refusal;
use crate::sim::cloud::secrets::digest;
use crate::sim::cloud::store::{Stored, Upload, store_upload};
use crate::sim::cloud::{PrivateCloud, archive, body, packed};

/// Boundaries and part headers need little room beside the file.
const BODY_LIMIT: usize = archive::COMPRESSED_LIMIT + 64 * 1024;
const KEY_LIMIT: usize = 255;

pub(super) async fn upload(State(cloud): State<PrivateCloud>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let user = authenticate(&cloud, &parts.headers).await;
    // The body of a stranger is read away, not kept.
    let bytes = body::read(body, if user.is_ok() { BODY_LIMIT } else { 0 }).await;
    let (user, bytes) = (user?, bytes?);
    let key = idempotency_key(&parts.headers)?;
    let (kind, file) = form(parts, bytes).await?;

    let upload = cloud.heavy(move || Ok(prepare(kind, &file, key))).await??;
    let now_ms = cloud.now_ms();
    let (stored, answer) =
        cloud.store.write(move |tx| Ok((store_upload(tx, user, &upload, now_ms)?, upload.answer))).await?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    match stored {
        Stored::Now => Ok((StatusCode::CREATED, json, answer).into_response()),
        Stored::Before(answer) => {
            Ok((StatusCode::CREATED, json, [("idempotency-replayed", "true")], answer).into_response())
        }
        Stored::KeyTaken => Err(Refusal::new(
            StatusCode::CONFLICT,
            "this Idempotency-Key was used for other bytes; a new upload needs a new key",
        )),
    }
}

fn prepare(kind: Kind, file: &[u8], key: Option<String>) -> Result<Upload, Refusal> {
    let readings = archive::readings(kind, file)?;
    let rows = readings.len();
    let mut days: Vec<_> = readings.iter().map(|Reading { at, .. }| at.day()).collect();
    days.sort_unstable();
    days.dedup();
    Ok(Upload {
        kind,
        hours: packed::pack(readings),
        key,
        sha256: digest(&[kind.name().as_bytes(), file]),
        answer: json!({ "status": "success", "rows": rows, "days": days.len() }).to_string(),
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=KEY_LIMIT).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Refusal::bad_request(format!(
            "Idempotency-Key must have 1 to {KEY_LIMIT} printable ASCII characters"
        ))),
    }
}

/// The two parts, in either order.
async fn form(parts: Parts, bytes: Bytes) -> Result<(Kind, Bytes), Refusal> {
    let request = Request::from_parts(parts, Body::from(bytes));
    let mut multipart = Multipart::from_request(request, &())
        .await
        .map_err(|error| Refusal::bad_request(format!("the body is not multipart/form-data: {error}")))?;
    let broken = |error: axum::extract::multipart::MultipartError| {
        Refusal::bad_request(format!("the multipart body is broken: {}", error.body_text()))
    };
    let (mut file, mut kind) = (None, None);
    while let Some(part) = multipart.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let slot = match name.as_str() {
            "file" => &mut file,
            "type" => &mut kind,
            _ => {
                let message =
                    format!("unknown part \"{name}\"; an upload has the parts \"file\" and \"type\"");
                return Err(Refusal::bad_request(message));
            }
        };
        if slot.replace(part.bytes().await.map_err(broken)?).is_some() {
            return Err(Refusal::bad_request(format!("the part \"{name}\" stands there twice")));
        }
    }
    let missing = |name| move || Refusal::bad_request(format!("the part \"{name}\" is missing"));
    let (file, kind) = (file.ok_or_else(missing("file"))?, kind.ok_or_else(missing("type"))?);
    let kind = String::from_utf8_lossy(&kind)
        .parse()
        .map_err(|error| Refusal::bad_request(format!("type: {error}")))?;
    Ok((kind, file))
}
