//! The NOWATCH API as a receiver: a zipped table per parcel, and nothing without consent.

use std::time::Duration;

use tokio::time::Instant;

use super::archive::zipped;
use super::receiver::{Failure, Parcel, Receiver, Verdict};
use crate::cloud::{Api, CloudError, Upload};
use crate::outbox::{Receipt, SinkName};

/// The ledger's name of the NOWATCH API.
pub fn nowatch() -> SinkName {
    SinkName("nowatch".to_owned())
}

/// The NOWATCH API.
pub struct Nowatch<A> {
    api: A,
    consent_check_every: Duration,
    consent_until: Option<Instant>,
}

impl<A: Api> Nowatch<A> {
    /// An account's consent is taken for granted for so long.
    pub const fn new(api: A, consent_check_every: Duration) -> Self {
        Self { api, consent_check_every, consent_until: None }
    }

    /// What is to be done about an error.
    fn failed(&mut self, error: &CloudError) -> Failure {
        let verdict = verdict(error);
        if verdict == Verdict::NeedsLogin {
            // It may be another account that is logged in to.
            self.consent_until = None;
        }
        Failure {
            verdict,
            detail: error.to_string(),
            status: error.status(),
            retry_after: error.retry_after(),
        }
    }
}

impl<A: Api> Receiver for Nowatch<A> {
    async fn admits(&mut self) -> Result<(), Failure> {
        if self.consent_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        match self.api.settings().await {
            Ok(settings) if settings.allows_upload() => {
                self.consent_until = Some(Instant::now() + self.consent_check_every);
                Ok(())
            }
            Ok(_) => Err(Failure::new(Verdict::NoConsent, "the account does not consent to sharing data")),
            // Whatever it says to the question, it has not seen a parcel.
            Err(error) => Err(match self.failed(&error) {
                about if about.is_about_the_parcel() => Failure { verdict: Verdict::Misdirected, ..about },
                failure => failure,
            }),
        }
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    async fn deliver(&mut self, parcel: &Parcel) -> Result<Receipt, Failure> {
        let (kind, key, csv) = (parcel.kind(), parcel.key, parcel.table.csv.clone());
        let zipping = tokio::task::spawn_blocking(move || zipped(&format!("{kind}.csv"), &csv));
        let zip = match zipping.await {
            Ok(Ok(zip)) => zip,
            Ok(Err(error)) => {
                return Err(Failure::new(Verdict::Later, format!("the archive cannot be made: {error}")));
            }
            Err(error) => {
                return Err(Failure::new(Verdict::Later, format!("the archive was not made: {error}")));
            }
        };
        let bytes = zip.len() as u64;
        let file_name = format!("{kind}-{key}.zip");
        let upload = Upload { kind, file_name, zip: zip.into(), idempotency_key: key.to_string() };
        match self.api.upload(upload).await {
            Ok(receipt) => Ok(Receipt { status: receipt.status, body: receipt.body, bytes }),
            Err(error) => Err(self.failed(&error)),
        }
    }
}

fn verdict(error: &CloudError) -> Verdict {
    match error {
        _ if error.needs_login() => Verdict::NeedsLogin,
        _ if error.suspects_clock() => Verdict::WrongClock,
        _ if error.is_too_large() => Verdict::TooLarge,
        _ if error.is_rejected() => Verdict::Rejected,
        _ if error.status() == Some(409) => Verdict::KeyReused,
        _ if error.is_transient() => Verdict::Later,
        _ => Verdict::Misdirected,
    }
}
