//! The routes of the API's main path.
//!
//! POST answers 201, as the framework that the real API shows signs of (NestJS) does by default; the other methods answer
//! 200. Only the 200 of PUT is documented. A client should take any 2xx.

mod admin_firmware;
mod auth;
mod firmware;
mod measurement;
mod upload;
mod user;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{delete, get, post};

use super::PrivateCloud;
use super::refusal::Refusal;
use super::secrets::Token;
use super::store::{Caller, UserId, caller};

/// Every route. The API's server url ends in `/nowatch`; both with and without are served, so either is a good base.
pub(super) fn all(cloud: PrivateCloud) -> Router {
    let api = Router::new()
        .route("/v1/auth/register", post(auth::register))
        .route("/v2/auth/login", post(auth::login))
        .route("/v2/auth/login/admin", post(auth::login_admin))
        .route("/v1/auth/refresh", post(auth::refresh))
        .route("/v1/user", get(user::show))
        .route("/v1/user/settings", get(user::settings).put(user::put_settings))
        .route("/v1/measurement", get(measurement::list).delete(measurement::delete))
        .route("/v1/measurement/upload", post(upload::upload))
        .route("/v1/firmware/latest", get(firmware::latest))
        .route("/v1/firmware/download/{id}/{piece}", get(firmware::download))
        .route("/v1/admin/firmware", get(admin_firmware::list).post(admin_firmware::add))
        .route("/v1/admin/firmware/{id}", delete(admin_firmware::remove))
        .with_state(cloud)
        // Bodies are read with limits of our own, which answer in the API's shape.
        .layer(DefaultBodyLimit::disable());
    Router::new().nest("/nowatch", api.clone()).merge(api)
}

/// Who sends the request.
async fn authenticate(cloud: &PrivateCloud, headers: &HeaderMap) -> Result<UserId, Refusal> {
    Ok(who(cloud, headers).await?.user)
}

/// The same, for what only administrators may do.
async fn authenticate_admin(cloud: &PrivateCloud, headers: &HeaderMap) -> Result<UserId, Refusal> {
    match who(cloud, headers).await? {
        Caller { user, admin: true } => Ok(user),
        _ => Err(Refusal::new(StatusCode::FORBIDDEN, "this takes an administrator; log in as one")),
    }
}

async fn who(cloud: &PrivateCloud, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, token)) = header.and_then(|value| value.split_once(' ')) else {
        return Err(Refusal::unauthorized("a bearer token is required; log in first"));
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::unauthorized(format!("{scheme} is not known here; send a bearer token")));
    }
    let (token, now_ms) = (Token::presented(token.trim()), cloud.now_ms());
    let caller = cloud.store.read(move |tx| caller(tx, &token, now_ms)).await?;
    caller.ok_or_else(|| Refusal::unauthorized("the access token is unknown or has expired; refresh it"))
}
