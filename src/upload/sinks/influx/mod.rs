//! InfluxDB, or whatever takes its line protocol over HTTP.
//!
//! A point is told by its series and its second: one that is written again replaces itself, so a parcel may come twice.

mod answer;
mod line;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url, redirect};
use secrecy::ExposeSecret;

use crate::clock::Clock;
use crate::cloud::{CloudError, Timeouts, install_crypto};
use crate::config::{InfluxConfig, SecretSource, is_loopback};
use crate::outbox::Receipt;
use crate::upload::receiver::{Failure, Parcel, Receiver, Verdict};

const USER_AGENT: &str = concat!("nowbridge/", env!("CARGO_PKG_VERSION"));
/// A parcel comes every few minutes: an idle connection would only cost memory on both sides.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// A database that takes line protocol.
#[derive(Clone, Debug)]
pub struct Influx {
    client: Client,
    write: Url,
    token: Option<SecretSource>,
    timeouts: Timeouts,
    clock: Clock,
}

impl Influx {
    /// The database that `config` names; nothing is sent yet.
    pub fn new(config: &InfluxConfig, timeouts: Timeouts, clock: Clock) -> Result<Self, CloudError> {
        install_crypto();
        let is_plain = config.write.scheme() == "http";
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.upload)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(1)
            .https_only(!is_plain);
        if is_loopback(&config.write) {
            builder = builder.no_proxy();
        }
        if is_plain {
            // Without this, the system's root certificates are loaded and held for connections that never come.
            builder = builder.tls_certs_only([]);
        }
        let what = "TLS has no root certificates or no provider";
        let client = builder.build().map_err(|source| CloudError::Setup { what, source: source.into() })?;
        let (write, token) = (config.write.clone(), config.token.clone());
        Ok(Self { client, write, token, timeouts, clock })
    }

    /// The `Authorization` header. Read anew each time, so that a token can be replaced while nowbridge runs.
    async fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let Some(token) = self.token.clone() else { return Ok(None) };
        let misdirected = |error: &dyn std::fmt::Display| Failure::new(Verdict::Misdirected, error);
        let read = tokio::task::spawn_blocking(move || token.read()).await;
        let token = read.map_err(|error| Failure::new(Verdict::Later, error))?;
        let token = token.map_err(|error| misdirected(&error))?;
        let value = HeaderValue::from_str(&format!("Token {}", token.expose_secret()));
        let mut value = value.map_err(|_| {
            misdirected(&"the token in sink.influxdb.token_file has characters that no header may have")
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl Receiver for Influx {
    async fn admits(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn deliver(&mut self, parcel: &Parcel) -> Result<Receipt, Failure> {
        let lines = line::lines(parcel);
        let bytes = lines.len() as u64;
        let mut request = self.client.post(self.write.clone());
        if let Some(authorization) = self.authorization().await? {
            request = request.header(AUTHORIZATION, authorization);
        }
        let sent = request.header(CONTENT_TYPE, "text/plain; charset=utf-8").body(lines).send().await;
        let unsent = |error| answer::unsent(&self.write, self.timeouts.upload, error);
        let answer = answer::Answer::read(sent.map_err(unsent)?, self.clock.now()).await;
        match answer.refusal(&self.write) {
            None => Ok(Receipt { status: answer.status, body: answer.said, bytes }),
            Some(failure) => Err(failure),
        }
    }
}
