//! One request for a file: each address checked, redirects followed by hand, the token shown to the cloud alone.

use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue, IF_RANGE, LOCATION, RANGE,
    RETRY_AFTER,
};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};

use super::url::{Checked, host_of};
use super::{DownloadError, UrlGuard};
use crate::clock::Clock;
use crate::cloud::{Api, Pass, install_crypto, parse_retry_after};

const USER_AGENT: &str = concat!("nowbridge/", env!("CARGO_PKG_VERSION"));
const MOST_HOPS: usize = 3;

/// Where to go on.
#[derive(Clone, Debug)]
pub(super) struct Resume {
    pub offset: u64,
    /// Strong: the rest of anything else might be the rest of something else.
    pub etag: String,
}

/// What requests have in common.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    pub guard: UrlGuard,
    pub connect: Duration,
    /// Until an answer begins.
    pub answer: Duration,
    pub clock: Clock,
}

impl Requests {
    /// Asks for what is at `url`, `from` there on. Answers with a status that carries a body of the file (200, 206) or with 416; any
    /// other is an error.
    pub async fn get<A: Api>(
        &self,
        api: Option<&A>,
        url: &Url,
        from: Option<&Resume>,
    ) -> Result<Response, DownloadError> {
        let (mut at, mut before): (Url, Option<Url>) = (url.clone(), None);
        for _ in 0..=MOST_HOPS {
            let checked = self.guard.resolve(&at, before.as_ref()).await?;
            let response = self.authorised(api, &checked, from).await?;
            match response.status().as_u16() {
                200 | 206 | 416 => return Ok(response),
                301 | 302 | 303 | 307 | 308 => {
                    let to = text(response.headers(), &LOCATION).and_then(|to| at.join(&to).ok());
                    let to = to.ok_or_else(|| DownloadError::Redirects { host: host_of(&at) })?;
                    before = Some(std::mem::replace(&mut at, to));
                }
                status => return Err(self.refusal(&at, status, response.headers())),
            }
        }
        Err(DownloadError::Redirects { host: host_of(&at) })
    }

    /// With a token where that is due; one that is refused is renewed once.
    async fn authorised<A: Api>(
        &self,
        api: Option<&A>,
        checked: &Checked,
        from: Option<&Resume>,
    ) -> Result<Response, DownloadError> {
        let Some(api) = api else { return self.once(checked, from, None).await };
        let pass = api.pass(checked.url.clone(), None).await?;
        let response = self.once(checked, from, pass.as_ref()).await?;
        if response.status() != 401 || pass.is_none() {
            return Ok(response);
        }
        let pass = api.pass(checked.url.clone(), pass).await?;
        self.once(checked, from, pass.as_ref()).await
    }

    async fn once(
        &self,
        checked: &Checked,
        from: Option<&Resume>,
        pass: Option<&Pass>,
    ) -> Result<Response, DownloadError> {
        let (host, got) = (host_of(&checked.url), from.map_or(0, |from| from.offset));
        let failed = |source: reqwest::Error| {
            let (host, source) = (host.clone(), source.without_url());
            if source.is_connect() || source.is_builder() {
                DownloadError::Unreachable { host, source }
            } else {
                DownloadError::Interrupted { host, got, source }
            }
        };
        let request = self.request(checked, from, pass).map_err(failed)?;
        match tokio::time::timeout(self.answer, request.send()).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(DownloadError::Stalled { host, got, after: self.answer }),
        }
    }

    fn request(
        &self,
        checked: &Checked,
        from: Option<&Resume>,
        pass: Option<&Pass>,
    ) -> Result<RequestBuilder, reqwest::Error> {
        install_crypto();
        let plain = checked.url.scheme() == "http";
        let mut client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .no_gzip()
            .connect_timeout(self.connect)
            .https_only(!plain);
        if plain {
            client = client.tls_certs_only([]);
        }
        if let Some(name) = checked.url.host_str().filter(|_| !checked.at.is_empty()) {
            client = client.resolve_to_addrs(name, &checked.at);
        }
        let mut request = client
            .build()?
            .get(checked.url.clone())
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(from) = from {
            request = request.header(RANGE, format!("bytes={}-", from.offset)).header(IF_RANGE, &from.etag);
        }
        if let Some(pass) = pass {
            request = request.header(AUTHORIZATION, pass.bearer());
        }
        Ok(request)
    }

    fn refusal(&self, at: &Url, status: u16, headers: &HeaderMap) -> DownloadError {
        let date = text(headers, &DATE);
        let retry_after = text(headers, &RETRY_AFTER)
            .and_then(|wait| parse_retry_after(&wait, date.as_deref(), self.clock.now()));
        DownloadError::Answer { host: host_of(at), status, retry_after }
    }
}

pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
