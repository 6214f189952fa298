//! Looking after firmware, for administrators: our assumption, as all that concerns firmware.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::authenticate_admin;
use super::firmware::numbers;
use crate::sim::cloud::refusal::Refusal;
use crate::sim::cloud::store::{self, FirmwareRow, NewFirmware};
use crate::sim::cloud::{PrivateCloud, body};

const BODY_LIMIT: usize = 65 << 20;
const PAPER_LIMIT: usize = 64 << 10;
const TEXT_LIMIT: usize = 2_000;
/// What an `MCUboot` image begins with.
const IMAGE_MAGIC: [u8; 4] = 0x96f3_b83d_u32.to_le_bytes();

/// GET /v1/admin/firmware
pub(super) async fn list(
    State(cloud): State<PrivateCloud>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    authenticate_admin(&cloud, &headers).await?;
    let rows = cloud.store.read(|tx| store::list_firmware(tx, None)).await?;
    Ok(Json(rows.iter().map(shown).collect()))
}

/// DELETE /v1/admin/firmware/{id}
pub(super) async fn remove(
    State(cloud): State<PrivateCloud>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    authenticate_admin(&cloud, &headers).await?;
    if cloud.store.write(move |tx| store::remove_firmware(tx, id)).await? {
        return Ok(Json(json!({ "status": "success" })));
    }
    Err(Refusal::new(StatusCode::NOT_FOUND, format!("there is no firmware {id}")))
}

/// POST /v1/admin/firmware
pub(super) async fn add(
    State(cloud): State<PrivateCloud>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let (parts, body) = request.into_parts();
    let admin = authenticate_admin(&cloud, &parts.headers).await;
    let bytes = body::read(body, if admin.is_ok() { BODY_LIMIT } else { 0 }).await;
    admin?;
    let new = form(parts, bytes?).await?;
    let now_ms = cloud.now_ms();
    let (product, version) = (new.product.clone(), new.version.clone());
    let id = cloud.store.write(move |tx| store::add_firmware(tx, &new, now_ms)).await?.ok_or_else(|| {
        let message = format!("{product} has a {version} in this channel already; remove that first");
        Refusal::new(StatusCode::CONFLICT, message)
    })?;
    let rows = cloud.store.read(|tx| store::list_firmware(tx, None)).await?;
    let row = rows.iter().find(|row| row.id == id);
    Ok((StatusCode::CREATED, Json(row.map_or(Value::Null, shown))))
}

fn shown(row: &FirmwareRow) -> Value {
    json!({
        "id": row.id,
        "product": row.product,
        "hardware": row.hardware,
        "version": row.version,
        "channel": row.channel,
        "size": row.size,
        "sha256": hex::encode(row.sha256),
        "manifest": row.has_manifest,
        "signature": row.has_signature,
        "notes": row.notes,
    })
}

async fn form(parts: Parts, bytes: Bytes) -> Result<NewFirmware, Refusal> {
    let request = Request::from_parts(parts, Body::from(bytes));
    let mut multipart = Multipart::from_request(request, &())
        .await
        .map_err(|error| Refusal::bad_request(format!("the body is not multipart/form-data: {error}")))?;
    let broken = |error: axum::extract::multipart::MultipartError| {
        Refusal::bad_request(format!("the multipart body is broken: {}", error.body_text()))
    };
    let mut given = Given::default();
    while let Some(part) = multipart.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        given.take(&name, part.bytes().await.map_err(broken)?)?;
    }
    given.checked()
}

#[derive(Default)]
struct Given {
    product: Option<String>,
    channel: Option<String>,
    version: Option<String>,
    notes: Option<String>,
    hardware: Vec<String>,
    file: Option<Bytes>,
    manifest: Option<Bytes>,
    signature: Option<Bytes>,
}

impl Given {
    fn take(&mut self, name: &str, bytes: Bytes) -> Result<(), Refusal> {
        let text = || match std::str::from_utf8(&bytes) {
            Ok(text) if !text.trim().is_empty() && text.len() <= TEXT_LIMIT => Ok(text.trim().to_owned()),
            _ => Err(Refusal::bad_request(format!("{name} must be a text of up to {TEXT_LIMIT} bytes"))),
        };
        match name {
            "product" => self.product = Some(text()?),
            "channel" => self.channel = Some(text()?),
            "version" => self.version = Some(text()?),
            "notes" => self.notes = Some(text()?),
            "hardware" => self.hardware.push(text()?),
            "file" => self.file = Some(bytes),
            "manifest" | "signature" if bytes.len() > PAPER_LIMIT => {
                return Err(Refusal::too_large(format!("{name} has more than {PAPER_LIMIT} bytes")));
            }
            "manifest" => self.manifest = Some(bytes),
            "signature" => self.signature = Some(bytes),
            _ => return Err(Refusal::bad_request(format!("unknown part \"{name}\""))),
        }
        Ok(())
    }

    fn checked(self) -> Result<NewFirmware, Refusal> {
        let missing = |name: &str| Refusal::bad_request(format!("the part \"{name}\" is missing"));
        let file = self.file.filter(|file| !file.is_empty()).ok_or_else(|| missing("file"))?;
        let version = self.version.or_else(|| version_in(&file)).ok_or_else(|| missing("version"))?;
        if numbers(&version).is_none() {
            return Err(Refusal::bad_request("version must be like 1.4.0 or 1.4.0+7"));
        }
        Ok(NewFirmware {
            product: self.product.ok_or_else(|| missing("product"))?,
            hardware: self.hardware,
            version,
            channel: self.channel.ok_or_else(|| missing("channel"))?,
            notes: self.notes,
            sha256: Sha256::digest(&file).into(),
            manifest: self.manifest.map(Into::into),
            signature: self.signature.map(Into::into),
            file: file.into(),
        })
    }
}

/// The version in the header of an `MCUboot` image.
fn version_in(file: &[u8]) -> Option<String> {
    let header: &[u8; 28] = file.first_chunk().filter(|header| header.starts_with(&IMAGE_MAGIC))?;
    let [.., major, minor, r0, r1, b0, b1, b2, b3] = *header;
    let (revision, build) = (u16::from_le_bytes([r0, r1]), u32::from_le_bytes([b0, b1, b2, b3]));
    let build = if build == 0 { String::new() } else { format!("+{build}") };
    Some(format!("{major}.{minor}.{revision}{build}"))
}
