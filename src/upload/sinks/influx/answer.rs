//! What an answer of InfluxDB means.

use std::time::Duration;

use reqwest::header::{DATE, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{Response, Url};

use crate::cloud::{self, TlsProblem};
use crate::measurement::UtcMicros;
use crate::upload::receiver::{Failure, Verdict};

/// Enough of an answer to tell what is wrong.
const LIMIT_BYTES: usize = 64 << 10;

/// An answer, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What it says, in words.
    pub said: String,
    location: Option<String>,
    retry_after: Option<Duration>,
    is_page: bool,
}

impl Answer {
    /// Reads it, as far as that helps.
    pub async fn read(mut response: Response, now: UtcMicros) -> Self {
        let header = |name: HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (location, date) = (header(LOCATION), header(DATE));
        let retry_after =
            header(RETRY_AFTER).and_then(|wait| cloud::parse_retry_after(&wait, date.as_deref(), now));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // The status says enough where the body is broken; a body that never ends is as good as its beginning.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(LIMIT_BYTES - body.len())]);
            if body.len() == LIMIT_BYTES {
                break;
            }
        }
        let is_page = cloud::is_markup(&body);
        let said = cloud::error_messages(&body).join("; ");
        Self { status, said, location, retry_after, is_page }
    }

    /// Why this is not the word that the points are written; `None` if it is.
    pub fn refusal(&self, write: &Url) -> Option<Failure> {
        let at = place(write);
        let said = if self.said.is_empty() { String::new() } else { format!(": {}", self.said) };
        let (verdict, advice) = match self.status {
            204 => return None,
            300..=399 => {
                let to = self.location.as_deref().unwrap_or("elsewhere");
                let detail = format!(
                    "{at} redirects to {to}, which is not followed; set sink.influxdb.url to where it is now"
                );
                return Some(self.failure(Verdict::Misdirected, detail));
            }
            // A page from a proxy is not InfluxDB's verdict on the points or the token.
            400..=407 | 422 if self.is_page => (
                Verdict::Misdirected,
                "that is a web page, not InfluxDB; a proxy or a sign-in page may stand in between",
            ),
            401 | 403 => (
                Verdict::Misdirected,
                "check that sink.influxdb.token_file holds a token that may write to the bucket",
            ),
            404 | 405 => (Verdict::Misdirected, "check url, org and bucket of sink.influxdb, or its path"),
            400 | 422 => (Verdict::Rejected, "sending the same again will not help"),
            413 => (Verdict::TooLarge, "less is sent at once"),
            408 | 425 | 429 | 500.. => (Verdict::Later, "it is sent again later"),
            200..=299 => (
                Verdict::Misdirected,
                "InfluxDB says 204 when it has written; is this where it is written to?",
            ),
            _ => (Verdict::Misdirected, "check sink.influxdb"),
        };
        Some(self.failure(verdict, format!("{at} answers {}{said} ({advice})", self.status)))
    }

    fn failure(&self, verdict: Verdict, detail: String) -> Failure {
        let retry_after = self.retry_after.filter(|_| verdict == Verdict::Later);
        Failure { verdict, detail, status: Some(self.status), retry_after }
    }
}

/// What a failure below HTTP means.
pub fn unsent(write: &Url, deadline: Duration, error: reqwest::Error) -> Failure {
    let (at, error) = (place(write), error.without_url());
    let cause = cloud::root_cause(&error);
    match cloud::tls_problem_of(&error) {
        Some(problem @ (TlsProblem::NotYetValid | TlsProblem::Expired)) => {
            Failure::new(Verdict::WrongClock, format!("no secure connection to {at}: {problem}"))
        }
        Some(problem @ TlsProblem::Other) => {
            Failure::new(Verdict::Misdirected, format!("no secure connection to {at}: {problem} ({cause})"))
        }
        None if error.is_timeout() => {
            Failure::new(Verdict::Later, format!("{at} does not answer within {} s", deadline.as_secs_f32()))
        }
        None if error.is_connect() => {
            Failure::new(Verdict::Later, format!("{at} cannot be reached ({cause})"))
        }
        None => Failure::new(Verdict::Later, format!("the connection to {at} broke ({cause})")),
    }
}

/// Where it is, without the query.
fn place(write: &Url) -> String {
    format!("InfluxDB at {}", write.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16) -> Option<Verdict> {
        let url = "http://127.0.0.1:8086/api/v2/write?org=o".parse().unwrap();
        Answer { status, ..Answer::default() }.refusal(&url).map(|failure| failure.verdict)
    }

    #[test]
    fn only_204_is_the_word_that_it_is_written() {
        assert_eq!(verdict(204), None);
        for status in (200..600).filter(|status| *status != 204) {
            let expected = match status {
                400 | 422 => Verdict::Rejected,
                413 => Verdict::TooLarge,
                408 | 425 | 429 | 500.. => Verdict::Later,
                _ => Verdict::Misdirected,
            };
            assert_eq!(verdict(status), Some(expected), "{status}");
        }
    }

    #[test]
    fn no_query_shows_up_in_a_message() {
        let url = "https://db.example.org:8086/write?db=canary".parse().unwrap();
        let failure = Answer { status: 401, ..Answer::default() }.refusal(&url).unwrap();
        assert!(!failure.detail.contains("canary") && failure.detail.contains("token_file"), "{failure}");
    }
}
