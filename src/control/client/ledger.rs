//! The ledger, from the command line's end.

use std::time::Duration;

use futures_util::Stream as Streaming;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lines::objects;
use super::{Client, ControlError, DEADLINE, answer, refusal, url};
use crate::control::{
    BackupAnswer, BackupRequest, CheckAnswer, DeadRequest, ExportLine, ForgetRequest, ForgetSinkRequest,
    SalvageAnswer, SalvageRequest, SinksAnswer, VerifyLine, VerifyRequest, WhyAnswer,
};
use crate::measurement::UtcMicros;
use crate::outbox::{Entries, Entry, EntryId, Forgotten, Resolved, Section, SinkEnd, SinkName};
use crate::wire::bridge::Stream;

/// A large store takes a while to be read through.
const LONG: Duration = Duration::from_mins(10);

impl Client {
    /// What explains what is missing or late.
    pub async fn why(&self, since: UtcMicros, watch: Option<&str>) -> Result<WhyAnswer, ControlError> {
        let since = ("since", Some(since.0.to_string()));
        self.ask("why", &[since, ("watch", watch.map(str::to_owned))], LONG).await
    }

    /// The newest entries of a sort.
    pub async fn entries(&self, section: Section, limit: u32) -> Result<Entries, ControlError> {
        let what = ("what", Some(section.name().to_owned()));
        self.ask("outbox", &[what, ("limit", Some(limit.to_string()))], DEADLINE).await
    }

    /// One entry.
    pub async fn entry(&self, id: EntryId) -> Result<Entry, ControlError> {
        self.ask("outbox/show", &[("id", Some(id.to_string()))], DEADLINE).await
    }

    /// Whether every page of the database is sound.
    pub async fn check(&self) -> Result<CheckAnswer, ControlError> {
        self.ask("outbox/check", &[], LONG).await
    }

    /// Has what can be read of a damaged database fetched to the end, and what a file has that is missing.
    pub async fn salvage(&self, request: &SalvageRequest) -> Result<SalvageAnswer, ControlError> {
        self.tell("outbox/salvage", request).await
    }

    /// Has the outbox copied to a file, by the daemon's user.
    pub async fn backup(&self, request: &BackupRequest) -> Result<BackupAnswer, ControlError> {
        self.tell("outbox/backup", request).await
    }

    /// Asks for dead letters to be sent again.
    pub async fn retry(&self, dead: &DeadRequest) -> Result<Resolved, ControlError> {
        self.tell("outbox/retry", dead).await
    }

    /// Leaves dead letters at that.
    pub async fn drop_dead(&self, dead: &DeadRequest) -> Result<Resolved, ControlError> {
        self.tell("outbox/drop", dead).await
    }

    /// Who keeps what.
    pub async fn sinks(&self) -> Result<SinksAnswer, ControlError> {
        self.ask("outbox/sinks", &[], LONG).await
    }

    /// Gives up on a sink that is no longer configured.
    pub async fn forget_sink(&self, sink: SinkName) -> Result<SinkEnd, ControlError> {
        self.tell("outbox/forget-sink", &ForgetSinkRequest { sink }).await
    }

    /// Has a watch forgotten.
    pub async fn forget(&self, request: &ForgetRequest) -> Result<Forgotten, ControlError> {
        self.tell("forget", request).await
    }

    /// Every sample that is stored, in a range.
    pub async fn export(
        &self,
        watch: Option<&str>,
        stream: Option<Stream>,
        from: Option<UtcMicros>,
        to: Option<UtcMicros>,
    ) -> Result<impl Streaming<Item = Result<ExportLine, ControlError>> + use<>, ControlError> {
        let instant = |at: Option<UtcMicros>| at.map(|at| at.0.to_string());
        let pairs = [
            ("watch", watch.map(str::to_owned)),
            ("stream", stream.map(|stream| stream.0.to_string())),
            ("from", instant(from)),
            ("to", instant(to)),
        ];
        follow(self.http.get(with("export", &pairs)?)).await
    }

    /// Has the daemon compare with the cloud. Dropping the stream calls it off.
    pub async fn verify(
        &self,
        request: &VerifyRequest,
    ) -> Result<impl Streaming<Item = Result<VerifyLine, ControlError>> + use<>, ControlError> {
        follow(self.http.post(url("verify")).json(request)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        verb: &str,
        query: &[Pair],
        within: Duration,
    ) -> Result<T, ControlError> {
        answer(self.http.get(with(verb, query)?).timeout(within).send().await?).await
    }

    async fn tell<T: DeserializeOwned>(&self, verb: &str, body: &impl Serialize) -> Result<T, ControlError> {
        answer(self.http.post(url(verb)).json(body).timeout(LONG).send().await?).await
    }
}

/// Only the beginning has a deadline: how long the rest takes is a matter of how much there is.
async fn follow<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> Result<impl Streaming<Item = Result<T, ControlError>> + use<T>, ControlError> {
    let begun = tokio::time::timeout(DEADLINE, request.send()).await;
    let response = begun.map_err(|_| ControlError::Answer("no line within 10 s".to_owned()))??;
    if !response.status().is_success() {
        return Err(refusal(response.status(), &response.bytes().await?));
    }
    Ok(objects(response.bytes_stream()))
}

/// A name, and a value if it is asked for.
type Pair = (&'static str, Option<String>);

fn with(verb: &str, query: &[Pair]) -> Result<reqwest::Url, ControlError> {
    let pairs = query.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    reqwest::Url::parse_with_params(&url(verb), pairs)
        .map_err(|error| ControlError::Answer(error.to_string()))
}
