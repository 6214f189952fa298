//! Registering, logging in, refreshing.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};

use crate::sim::cloud::PrivateCloud;
use crate::sim::cloud::body::{Fields, drain};
use crate::sim::cloud::refusal::Refusal;
use crate::sim::cloud::registration::Registration;
use crate::sim::cloud::secrets::{Token, digest, password_matches, random};
use crate::sim::cloud::store::{self, Grant, Rotation};

/// The answer of login and refresh. That refresh answers the same as login is an assumption.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    access: String,
    refresh: String,
    expires_in: i64,
}

impl From<Grant> for Tokens {
    fn from(grant: Grant) -> Self {
        Self {
            access: grant.access.reveal().to_owned(),
            refresh: grant.refresh.reveal().to_owned(),
            expires_in: grant.expires_in_s,
        }
    }
}

/// POST /v1/auth/register
pub(super) async fn register(
    State(cloud): State<PrivateCloud>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let fields = protected(&cloud, request).await?;
    cloud.register(Registration::from_fields(fields)?).await?;
    Ok((StatusCode::CREATED, Json(json!({ "status": "success" }))))
}

/// POST /v2/auth/login
pub(super) async fn login(
    State(cloud): State<PrivateCloud>,
    request: Request,
) -> Result<(StatusCode, Json<Tokens>), Refusal> {
    enter(&cloud, request, false).await
}

/// POST /v2/auth/login/admin. That it takes and answers what a login does is an assumption.
pub(super) async fn login_admin(
    State(cloud): State<PrivateCloud>,
    request: Request,
) -> Result<(StatusCode, Json<Tokens>), Refusal> {
    enter(&cloud, request, true).await
}

async fn enter(
    cloud: &PrivateCloud,
    request: Request,
    as_admin: bool,
) -> Result<(StatusCode, Json<Tokens>), Refusal> {
    let mut fields = protected(cloud, request).await?;
    let (email, password) = (fields.text("email"), SecretString::from(fields.text("password")));
    fields.check()?;

    let known = cloud.store.read(move |tx| store::credentials(tx, &email)).await?;
    let (user, hash) = known.unzip();
    let matches = cloud.heavy(move || Ok(password_matches(&password, hash.as_deref()))).await?;
    let Some(user) = user.filter(|_| matches) else {
        return Err(Refusal::unauthorized("the e-mail address or the password is wrong"));
    };
    if as_admin && !cloud.store.read(move |tx| store::user(tx, user)).await?.is_admin {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "this account is no administrator's"));
    }
    let now_ms = cloud.now_ms();
    let grant = cloud.store.write(move |tx| store::log_in(tx, user, as_admin, now_ms)).await?;
    Ok((StatusCode::CREATED, Json(grant.into())))
}

/// POST /v1/auth/refresh, with `{"refresh"}`: the body is an assumption, the page that shows it is not public.
pub(super) async fn refresh(
    State(cloud): State<PrivateCloud>,
    request: Request,
) -> Result<(StatusCode, Json<Tokens>), Refusal> {
    let mut fields = Fields::read(request.into_body()).await?;
    let presented = Token::presented(&fields.text("refresh"));
    fields.check()?;

    let (salt, now_ms) = (random()?, cloud.now_ms());
    match cloud.store.write(move |tx| store::refresh(tx, &presented, salt, now_ms)).await? {
        Rotation::Granted(grant) => Ok((StatusCode::CREATED, Json(grant.into()))),
        Rotation::Unknown => {
            Err(Refusal::unauthorized("the refresh token is unknown or has expired; log in again"))
        }
        Rotation::Reused => Err(Refusal::unauthorized(
            "the refresh token had been used before; all tokens of that log-in are revoked, log in again",
        )),
    }
}

/// The body of a request that must carry `x-auth-token`, where one is configured.
async fn protected(cloud: &PrivateCloud, request: Request) -> Result<Fields, Refusal> {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = check_auth_token(cloud, &parts.headers) {
        drain(body).await;
        return Err(refusal);
    }
    Fields::read(body).await
}

fn check_auth_token(cloud: &PrivateCloud, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(wanted) = cloud.auth_token else { return Ok(()) };
    // Hashes are compared, so that the time it takes says nothing about the token.
    match headers.get("x-auth-token") {
        Some(given) if digest(&[given.as_bytes()]) == wanted => Ok(()),
        Some(_) => Err(Refusal::unauthorized("x-auth-token is wrong")),
        None => Err(Refusal::unauthorized("x-auth-token is required here")),
    }
}
