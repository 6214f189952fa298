//! What there is for a watch, and the files themselves.
//!
//! The API documents none of these routes: all of it is our assumption, the same as the client's. The addresses in an offer are
//! relative to the question, so that they hold behind any reverse proxy, and sealed: who has one needs no token, and it expires.

use std::collections::HashMap;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::hmac;
use serde_json::json;

use super::authenticate;
use crate::sim::cloud::PrivateCloud;
use crate::sim::cloud::refusal::Refusal;
use crate::sim::cloud::secrets::Sha;
use crate::sim::cloud::store::{self, FirmwareRow, Piece};

const STABLE: &str = "stable";
const EARLY_ACCESS: &str = "early-access";

type Parameters = Result<Query<HashMap<String, String>>, QueryRejection>;

/// GET /v1/firmware/latest
pub(super) async fn latest(
    State(cloud): State<PrivateCloud>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let user = authenticate(&cloud, &headers).await?;
    let Query(given) = parameters.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let text = |name: &str| given.get(name).filter(|text| !text.is_empty()).cloned();
    let product = text("product").ok_or_else(|| Refusal::bad_request("product must be given"))?;
    let channel = text("channel").unwrap_or_else(|| STABLE.to_owned());
    let (early, rows) = cloud
        .store
        .read(move |tx| Ok((store::user(tx, user)?.early_access, store::list_firmware(tx, Some(&product))?)))
        .await?;
    if channel == EARLY_ACCESS && !early {
        let message = "channel: this account has no early access";
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let Some(best) = best(rows, text("hardware").as_deref(), &channel, text("current_version").as_deref())
    else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let key = cloud.store.write(store::seal).await?;
    let expires_s =
        cloud.now_ms() / 1_000 + i64::try_from(cloud.address_life.as_secs()).unwrap_or(i64::MAX / 2);
    let address = |piece: Piece| {
        let seal = hex::encode(sealed(&key, best.id, piece, expires_s).as_ref());
        format!("download/{}/{}?expires={expires_s}&seal={seal}", best.id, piece.name())
    };
    let offer = json!({
        "version": best.version,
        "url": address(Piece::File),
        "size": best.size,
        "sha256": hex::encode(best.sha256),
        "manifestUrl": best.has_manifest.then(|| address(Piece::Manifest)),
        "signatureUrl": best.has_signature.then(|| address(Piece::Signature)),
        "notes": best.notes,
    });
    Ok(Json(offer).into_response())
}

/// The newest that suits the watch and is newer than what it has.
fn best(
    rows: Vec<FirmwareRow>,
    hardware: Option<&str>,
    channel: &str,
    installed: Option<&str>,
) -> Option<FirmwareRow> {
    let suits = |row: &FirmwareRow| {
        let here = row.channel == channel || (channel == EARLY_ACCESS && row.channel == STABLE);
        // For a watch that does not tell its revision, only what suits them all.
        here && (row.hardware.is_empty()
            || hardware.is_some_and(|mine| row.hardware.iter().any(|one| one == mine)))
    };
    let installed = installed.and_then(numbers);
    rows.into_iter()
        .filter(suits)
        .filter(|row| installed.is_none() || numbers(&row.version) > installed)
        .max_by_key(|row| numbers(&row.version))
}

/// `1.4.0+7` as numbers to compare.
pub(super) fn numbers(version: &str) -> Option<[u32; 4]> {
    let mut numbers = [0; 4];
    let parts: Vec<&str> = version.split(['.', '+']).collect();
    if !(3..=4).contains(&parts.len()) {
        return None;
    }
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = part.parse().ok()?;
    }
    Some(numbers)
}

fn sealed(key: &Sha, id: i64, piece: Piece, expires_s: i64) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, format!("{id} {} {expires_s}", piece.name()).as_bytes())
}

/// GET /v1/firmware/download/{id}/{piece}, whole or from somewhere on.
pub(super) async fn download(
    State(cloud): State<PrivateCloud>,
    Path((id, piece)): Path<(i64, String)>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let Query(given) = parameters.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let gone = || Refusal::new(StatusCode::NOT_FOUND, "there is no such firmware; ask for the latest");
    let piece = Piece::named(&piece).ok_or_else(gone)?;
    let number = |name: &str| given.get(name).and_then(|text| text.parse::<i64>().ok());
    let expires_s = number("expires").unwrap_or(0);
    let seal = given.get("seal").and_then(|text| hex::decode(text).ok()).unwrap_or_default();

    let key = cloud.store.write(store::seal).await?;
    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let said = format!("{id} {} {expires_s}", piece.name());
    if hmac::verify(&hmac_key, said.as_bytes(), &seal).is_err() || cloud.now_ms() / 1_000 >= expires_s {
        let message = "the address is not one of ours or has expired; ask for the latest firmware again";
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let bytes = cloud.store.read(move |tx| store::piece(tx, id, piece)).await?.ok_or_else(gone)?;
    Ok(answer(&headers, bytes))
}

/// The bytes, or those from the asked place on (RFC 9110, 14).
fn answer(headers: &HeaderMap, mut bytes: Vec<u8>) -> Response {
    let etag = format!("\"{}\"", hex::encode(&crate::sim::cloud::secrets::digest(&[&bytes])[..16]));
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let same = text(header::IF_RANGE).is_none_or(|theirs| theirs == etag);
    let total = bytes.len();
    let (status, range) = match text(header::RANGE).filter(|_| same).and_then(|range| asked(range, total)) {
        None => (StatusCode::OK, None),
        Some(Asked::Beyond) => {
            bytes.clear();
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(format!("bytes */{total}")))
        }
        Some(Asked::Part(start, end)) => {
            bytes.truncate(end);
            bytes.drain(..start);
            (StatusCode::PARTIAL_CONTENT, Some(format!("bytes {start}-{}/{total}", end - 1)))
        }
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, etag);
    if let Some(range) = range {
        response = response.header(header::CONTENT_RANGE, range);
    }
    response.body(Body::from(bytes)).expect("names and values are fit for headers")
}

/// What a range asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// From where to where, end excluded.
    Part(usize, usize),
    /// What lies behind the end.
    Beyond,
}

/// What one range asks for; `None` if it is to be ignored.
fn asked(range: &str, total: usize) -> Option<Asked> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.parse::<usize>().ok();
    let (start, end) = match (start, end) {
        ("", last) => (total.saturating_sub(number(last)?), total),
        (first, "") => (number(first)?, total),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(total)),
    };
    Some(if start < end { Asked::Part(start, end) } else { Asked::Beyond })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_rfc() {
        assert_eq!(asked("bytes=3-", 10), Some(Asked::Part(3, 10)));
        assert_eq!(asked("bytes=3-5", 10), Some(Asked::Part(3, 6)));
        assert_eq!(asked("bytes=3-99", 10), Some(Asked::Part(3, 10)));
        assert_eq!(asked("bytes=-4", 10), Some(Asked::Part(6, 10)));
        assert_eq!(asked("bytes=10-", 10), Some(Asked::Beyond));
        for ignored in ["bytes=1-2,4-5", "lines=1-2", "bytes=x-"] {
            assert_eq!(asked(ignored, 10), None, "{ignored}");
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("1.10.0") > numbers("1.9.9+3"));
        assert!(numbers("1.0.0+1") > numbers("1.0.0"));
        for not in ["1.0", "1.0.0.0.0", "v1.0.0", ""] {
            assert_eq!(numbers(not), None, "{not}");
        }
    }
}
