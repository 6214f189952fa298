//! The `auth` tag: logging in and renewing tokens.
//!
//! `POST /v2/auth/login` is documented. Of `POST /v1/auth/refresh` only the path is; what it takes and answers here is
//! **our assumption**, and [`Auth::refresh`] is the only place that knows it: `{"refresh": "<token>"}` and the answer of a login.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::CloudError;
use super::call::{Call, Payload, Reply, setup};
use super::transport::Transport;
use crate::measurement::UtcMicros;

const LOGIN: &str = "/v2/auth/login";
const LOGIN_ADMIN: &str = "/v2/auth/login/admin";
const REFRESH: &str = "/v1/auth/refresh";
/// Guards the routes that carry no JWT. Documented for login; that refresh takes it too is our assumption.
const GUARD: &str = "x-auth-token";
/// Nothing sensible lives longer; keeps a mistaken unit from overflowing anything.
const LONGEST_LIFE: Duration = Duration::from_hours(30 * 24);

/// What a user logs in with.
#[derive(Clone)]
pub struct Credentials {
    /// The account's e-mail address.
    pub email: String,
    /// Its password.
    pub password: SecretString,
}

/// Shows nothing: an address is personal, a password secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// What a login yields.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    pub access: SecretString,
    pub refresh: SecretString,
    /// How long the access token lives from `obtained_at`. The unit is an assumption: the example is 3600.
    pub expires_in: Option<Duration>,
    /// The wall time on receipt. A hint: the clock may have been wrong then, or be wrong now.
    pub obtained_at: UtcMicros,
}

/// The two calls that need no access token.
#[derive(Debug)]
pub(super) struct Auth {
    transport: Transport,
    guard: Option<HeaderValue>,
}

impl Auth {
    pub fn new(transport: Transport, x_auth_token: Option<&SecretString>) -> Result<Self, CloudError> {
        let guard = x_auth_token.map(|token| secret_header(token.expose_secret())).transpose();
        let guard =
            guard.map_err(|source| setup("the x-auth-token holds characters that cannot be sent", source))?;
        Ok(Self { transport, guard })
    }

    /// Logs in with e-mail address and password.
    pub async fn login(&self, who: &Credentials, now: UtcMicros) -> Result<Tokens, CloudError> {
        let body = json!({ "email": who.email, "password": who.password.expose_secret() });
        let reply = self.post(LOGIN, &body).await?;
        tokens(&reply, None, now)
    }

    /// The same for an administrator. That it takes and answers what a login does is our assumption.
    pub async fn login_admin(&self, who: &Credentials, now: UtcMicros) -> Result<Tokens, CloudError> {
        let body = json!({ "email": who.email, "password": who.password.expose_secret() });
        let reply = self.post(LOGIN_ADMIN, &body).await?;
        tokens(&reply, None, now)
    }

    /// Trades a refresh token for new tokens. A server that does not rotate refresh tokens may leave its own out.
    pub async fn refresh(&self, refresh: &SecretString, now: UtcMicros) -> Result<Tokens, CloudError> {
        let body = json!({ "refresh": refresh.expose_secret() });
        let reply = self.post(REFRESH, &body).await?;
        tokens(&reply, Some(refresh), now)
    }

    async fn post(&self, path: &'static str, body: &Value) -> Result<Reply, CloudError> {
        let mut call = Call::post(path, Payload::Json(Bytes::from(body.to_string())));
        if let Some(guard) = &self.guard {
            call.headers.insert(GUARD, guard.clone());
        }
        self.transport.send(&call, None).await
    }
}

/// The `Authorization` value of an access token.
pub(super) fn bearer(access: &SecretString) -> Option<HeaderValue> {
    secret_header(&format!("Bearer {}", access.expose_secret())).ok()
}

/// A header value that is left out of logs.
fn secret_header(text: &str) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads `{access, refresh, expiresIn}`. Field by field, because an error must not quote a token.
fn tokens(reply: &Reply, former: Option<&SecretString>, now: UtcMicros) -> Result<Tokens, CloudError> {
    let json: Value = reply.json()?;
    let secret = |name: &str| json.get(name).and_then(Value::as_str).filter(|token| !token.is_empty());
    let access = secret("access").ok_or_else(|| reply.unexpected("it holds no access token"))?.into();
    if bearer(&access).is_none() {
        return Err(reply.unexpected("the access token holds characters that cannot be sent"));
    }
    let refresh = secret("refresh").map(SecretString::from).or_else(|| former.cloned());
    let refresh = refresh.ok_or_else(|| reply.unexpected("it holds no refresh token"))?;
    let seconds = json.get("expiresIn").and_then(Value::as_f64).filter(|seconds| *seconds > 0.0);
    let expires_in = seconds.map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST_LIFE.as_secs_f64())));
    Ok(Tokens { access, refresh, expires_in, obtained_at: now })
}
