//! The user and the user's settings.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::authenticate;
use crate::sim::cloud::PrivateCloud;
use crate::sim::cloud::body::{Fields, drain};
use crate::sim::cloud::refusal::{Refusal, iso};
use crate::sim::cloud::store::{self, Settings};

/// GET /v1/user. What is not kept here (body measures, hands, date of birth) is null.
pub(super) async fn show(
    State(cloud): State<PrivateCloud>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let id = authenticate(&cloud, &headers).await?;
    let user = cloud.store.read(move |tx| store::user(tx, id)).await?;
    Ok(Json(json!({
        "id": user.uid,
        "email": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "isEarlyAccess": user.early_access,
        "gender": null,
        "watchHand": null,
        "dominantHand": null,
        "height": null,
        "weight": null,
        "dateOfBirth": null,
        "unit": "METRIC",
        "employee": false,
        "lastSyncAt": user.last_sync_ms.map(iso),
    })))
}

/// GET /v1/user/settings
pub(super) async fn settings(
    State(cloud): State<PrivateCloud>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let id = authenticate(&cloud, &headers).await?;
    Ok(answer(&cloud.store.read(move |tx| store::settings(tx, id)).await?))
}

/// PUT /v1/user/settings: the settings are replaced as a whole.
pub(super) async fn put_settings(
    State(cloud): State<PrivateCloud>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (parts, body) = request.into_parts();
    let id = match authenticate(&cloud, &parts.headers).await {
        Ok(id) => id,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    let mut fields = Fields::read(body).await?;
    let settings = fields.object("settings");
    fields.check()?;
    if settings.get("user_consent").is_some_and(|consent| !consent["data_sharing"].is_boolean()) {
        return Err(Refusal::bad_request("settings.user_consent.data_sharing must be true or false"));
    }
    let now_ms = cloud.now_ms();
    let stored = cloud
        .store
        .write(move |tx| {
            store::put_settings(tx, id, settings, now_ms)?;
            store::settings(tx, id)
        })
        .await?;
    Ok(answer(&stored))
}

fn answer(settings: &Settings) -> Json<Value> {
    Json(json!({
        "settings": settings.object,
        "createdAt": iso(settings.created_ms),
        "updatedAt": iso(settings.updated_ms),
    }))
}
