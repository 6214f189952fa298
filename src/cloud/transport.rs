//! HTTP to the one configured address: deadlines on everything, bodies with a limit, redirects never followed.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use rustls::CertificateError;

use super::call::{Call, Payload, Reply, form, setup};
use super::error::TlsProblem;
use super::{BaseUrl, CloudError, error_body, retry_after};
use crate::clock::Clock;

const USER_AGENT: &str = concat!("nowbridge/", env!("CARGO_PKG_VERSION"));
/// Enough of an error's body to tell what is wrong.
const ERROR_LIMIT_BYTES: usize = 64 << 10;
/// A sync comes every few minutes: an idle connection would only cost memory on both sides.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// How long to wait for the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Until the whole answer is there, connecting included.
    pub request: Duration,
    /// The same for a request that carries a file.
    pub upload: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            // A megabyte over a poor mobile connection (10 KiB/s).
            upload: Duration::from_mins(2),
        }
    }
}

/// Makes ring the process's TLS provider. Calling it again does nothing.
pub fn install_crypto() {
    // An error only says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Sends calls to one cloud.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: Client,
    base_url: BaseUrl,
    timeouts: Timeouts,
    clock: Clock,
}

impl Transport {
    pub fn new(base_url: BaseUrl, timeouts: Timeouts, clock: Clock) -> Result<Self, CloudError> {
        install_crypto();
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.request)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(2)
            .https_only(!base_url.is_plain());
        if base_url.is_loopback() {
            builder = builder.no_proxy();
        }
        if base_url.is_plain() {
            // Without this, the system's root certificates are loaded and held for connections that never come.
            builder = builder.tls_certs_only([]);
        }
        let client =
            builder.build().map_err(|source| setup("TLS has no root certificates or no provider", source))?;
        Ok(Self { client, base_url, timeouts, clock })
    }

    pub fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    /// Sends `call` once and reads the answer. `bearer` is the whole `Authorization` value.
    pub async fn send(&self, call: &Call, bearer: Option<&HeaderValue>) -> Result<Reply, CloudError> {
        let deadline = match call.payload {
            Payload::Form(_) => self.timeouts.upload,
            _ => self.timeouts.request,
        };
        let failed = |error: reqwest::Error| self.failure(&call.path, deadline, error.without_url());
        let request = self.request(call, bearer).map_err(failed)?.timeout(deadline);
        let response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(self.refusal(&call.path, response).await);
        }
        let status = response.status().as_u16();
        let content_type = text(response.headers(), &CONTENT_TYPE);
        match read(response, call.limit_bytes).await.map_err(failed)? {
            Ok(body) => Ok(Reply { path: call.path.to_string(), status, content_type, body }),
            Err(_) => {
                Err(CloudError::TooLarge { path: call.path.to_string(), limit_bytes: call.limit_bytes })
            }
        }
    }

    fn request(&self, call: &Call, bearer: Option<&HeaderValue>) -> Result<RequestBuilder, reqwest::Error> {
        let mut url = self.base_url.join(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.client.request(call.method.clone(), url).headers(call.headers.clone());
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        Ok(match &call.payload {
            Payload::Nothing => request,
            Payload::Json(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
            Payload::Form(parts) => request.multipart(form(parts)?),
        })
    }

    /// What an answer without success means.
    async fn refusal(&self, path: &str, response: Response) -> CloudError {
        let status = response.status();
        let headers = response.headers();
        if status.is_redirection()
            && let Some(to) = text(headers, &LOCATION).and_then(|to| response.url().join(&to).ok())
        {
            return CloudError::Redirect {
                status: status.as_u16(),
                from: shown(response.url()),
                to: shown(&to),
            };
        }
        let date = text(headers, &DATE);
        let retry_after = text(headers, &RETRY_AFTER)
            .and_then(|wait| retry_after::parse(&wait, date.as_deref(), self.clock.now()));
        let content_type = text(headers, &CONTENT_TYPE);
        // The status says enough where the body is broken or endless.
        let body = read(response, ERROR_LIMIT_BYTES).await.map(|body| body.unwrap_or_else(|cut| cut));
        let body = body.unwrap_or_default();
        // A page from a proxy must not pass for the API's verdict on a token or a batch. 413 is the exception: proxies
        // are the ones that limit sizes.
        if error_body::is_markup(&body) && matches!(status.as_u16(), 400..=407 | 409..=412 | 414..=428) {
            return Reply { path: path.to_owned(), status: status.as_u16(), content_type, body }
                .not_the_api();
        }
        let said = error_body::read(&body);
        CloudError::Api {
            status: status.as_u16(),
            path: path.to_owned(),
            messages: said.messages,
            timestamp: said.timestamp,
            retry_after,
        }
    }

    /// What a failure below HTTP means.
    fn failure(&self, path: &str, deadline: Duration, error: reqwest::Error) -> CloudError {
        if let Some(problem) = tls_problem_of(&error) {
            return CloudError::Tls {
                host: self.base_url.host(),
                problem,
                now: self.clock.now(),
                source: error,
            };
        }
        if error.is_builder() {
            setup("the request cannot be written", error)
        } else if error.is_connect() {
            CloudError::Unreachable { host: self.base_url.host(), source: error }
        } else if error.is_timeout() {
            CloudError::Timeout { path: path.to_owned(), after: deadline }
        } else {
            CloudError::Interrupted { path: path.to_owned(), source: error }
        }
    }
}

/// The whole body; or, if it is longer than `limit_bytes`, `Err` with its beginning. Counts what comes out of
/// decompression, not what was sent.
async fn read(
    mut response: Response,
    limit_bytes: usize,
) -> Result<Result<Vec<u8>, Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit_bytes - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok(Err(body));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Ok(body))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// An address fit for a message: without query, which may hold secrets.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// What is wrong with TLS, if that is why a request failed.
pub(crate) fn tls_problem_of(error: &(dyn StdError + 'static)) -> Option<TlsProblem> {
    tls_error(error).map(tls_problem)
}

/// Looks for the TLS error among the causes. An `io::Error` skips the error it wraps when asked for its source, so it is
/// opened by hand.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

fn tls_problem(error: &rustls::Error) -> TlsProblem {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    match error {
        rustls::Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => TlsProblem::NotYetValid,
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => TlsProblem::Expired,
        _ => TlsProblem::Other,
    }
}
