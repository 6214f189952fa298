//! Radio matters, from the command line's end.

use futures_util::Stream;
use serde_json::{Value, json};

use super::lines::objects;
use super::{Client, ControlError, DEADLINE, answer, refusal, url};
use crate::control::{Job, News, PairingAnswer, Word};
use std::time::Duration;

/// The desk may have to wait for a watcher that lets go of its watch.
const WORD_DEADLINE: Duration = Duration::from_secs(30);

impl Client {
    /// Begins a job and follows it. Dropping the stream calls the job off.
    pub async fn begin(
        &self,
        job: &Job,
    ) -> Result<impl Stream<Item = Result<News, ControlError>> + use<>, ControlError> {
        let (verb, body) = match job {
            Job::Scan { seconds } => ("scan", json!({ "seconds": seconds })),
            Job::Probe { watch } => ("probe", json!({ "watch": watch })),
            Job::Pair { address, seconds, name } => {
                ("pair", json!({ "address": address, "seconds": seconds, "name": name }))
            }
            Job::Repair { watch, seconds } => ("repair", json!({ "watch": watch, "seconds": seconds })),
            Job::Unpair { watch } => ("unpair", json!({ "watch": watch })),
        };
        // Only the beginning has a deadline: the desk ends what takes too long.
        let begun = tokio::time::timeout(DEADLINE, self.http.post(url(verb)).json(&body).send()).await;
        let response = begun.map_err(|_| ControlError::Answer("no answer within 10 s".to_owned()))??;
        if !response.status().is_success() {
            return Err(refusal(response.status(), &response.bytes().await?));
        }
        Ok(objects(response.bytes_stream()))
    }

    /// Says a word; whether that changed anything, and what the watch is called.
    pub async fn say(&self, word: &Word) -> Result<(String, bool), ControlError> {
        let (verb, body) = match word {
            Word::Answer { id, answer: PairingAnswer::Passkey(passkey) } => {
                ("pair/answer", json!({ "id": id, "passkey": passkey }))
            }
            Word::Answer { id, answer: PairingAnswer::Yes(yes) } => {
                ("pair/answer", json!({ "id": id, "yes": yes }))
            }
            Word::Hold { watch, time } => {
                ("hold", json!({ "watch": watch, "seconds": time.map(|time| time.as_secs()) }))
            }
            Word::Release { watch } => ("release", json!({ "watch": watch })),
        };
        let said = self.http.post(url(verb)).json(&body).timeout(WORD_DEADLINE).send().await?;
        let told: Value = answer(said).await?;
        let watch = told["watch"].as_str().ok_or_else(|| ControlError::Answer(told.to_string()))?;
        Ok((watch.to_owned(), told["changed"].as_bool().unwrap_or(true)))
    }
}
