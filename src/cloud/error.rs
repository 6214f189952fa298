//! What can go wrong between us and the cloud, and what is to be done about it.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use super::auth_state::LoginReason;
use super::token_file::TokenFileError;
use crate::measurement::UtcMicros;

/// An error of the API client.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// The client could not be set up.
    #[error("the cloud client cannot be set up, {what}: {source}")]
    Setup {
        /// What is wrong.
        what: &'static str,
        /// The cause.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No connection came about, so nothing was sent.
    #[error("{host} cannot be reached ({}); check the network and the cloud address", root(source))]
    Unreachable {
        /// The host of the cloud address.
        host: String,
        /// The cause.
        source: reqwest::Error,
    },
    /// The connection broke after something was sent; the server may or may not have acted on it.
    #[error("the connection broke while {path} was under way ({}); it can be sent again", root(source))]
    Interrupted {
        /// The path of the request.
        path: String,
        /// The cause.
        source: reqwest::Error,
    },
    /// No whole answer within the deadline; the server may or may not have acted on the request.
    #[error("no answer to {path} within {} s; it can be sent again", after.as_secs_f32())]
    Timeout {
        /// The path of the request.
        path: String,
        /// The deadline.
        after: Duration,
    },
    /// The connection could not be made secure.
    #[error("no secure connection to {host}: {problem} ({}; this machine's clock says {now})", root(source))]
    Tls {
        /// The host of the cloud address.
        host: String,
        /// What is wrong.
        problem: TlsProblem,
        /// The wall time here.
        now: UtcMicros,
        /// The cause.
        source: reqwest::Error,
    },
    /// The server points elsewhere. It was not followed: the token belongs to the configured address only.
    #[error(
        "{from} redirects to {to}, which was not followed; if the cloud has moved, set the new cloud address, \
         if this network has a sign-in page, sign in"
    )]
    Redirect {
        /// The status, 300–399.
        status: u16,
        /// Where the request went.
        from: String,
        /// Where the server points, without query.
        to: String,
    },
    /// Somebody has to log in.
    #[error("not logged in: {why}; run `nowbridge login`")]
    NeedsLogin {
        /// The reason.
        why: LoginReason,
    },
    /// A token that the server has just issued is refused by it.
    #[error(
        "the server refuses a token that it has just issued{}; if this stays, log in again",
        told(messages)
    )]
    TokenRefused {
        /// What the server says.
        messages: Vec<String>,
    },
    /// The tokens could not be renewed for now; they are kept. Shared by all callers that waited for the one attempt.
    #[error("{0} (while logging in; whatever login there was is kept)")]
    Renewal(#[source] Arc<CloudError>),
    /// The API answered with an error.
    #[error("the server answers {status} to {path}{}{}", told(messages), advice(*status))]
    Api {
        /// The HTTP status.
        status: u16,
        /// The path of the request.
        path: String,
        /// What the server says, if it says anything.
        messages: Vec<String>,
        /// The server's time of the error, as it wrote it.
        timestamp: Option<String>,
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Somebody else answered: a sign-in page of a network, a proxy, or another web site.
    #[error(
        "the answer ({status}, {}) is not the API's; a sign-in page or a proxy may stand in between, \
         or the cloud address is wrong{}",
        content_type.as_deref().unwrap_or("no content type"), quoted(snippet)
    )]
    NotTheApi {
        /// The HTTP status.
        status: u16,
        /// The type that the answer names.
        content_type: Option<String>,
        /// The beginning of a web page; empty for anything else, which may hold secrets.
        snippet: String,
    },
    /// JSON, but not what is documented for the request.
    #[error(
        "the answer to {path} is not what the API documents: {what}; nowbridge or the cloud may be outdated"
    )]
    Unexpected {
        /// The path of the request.
        path: String,
        /// What is missing or wrong; never the value itself.
        what: String,
    },
    /// The answer is longer than we are willing to hold.
    #[error("the answer to {path} is longer than {limit_bytes} bytes; ask for less at once")]
    TooLarge {
        /// The path of the request.
        path: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// The login succeeded and is in use, but could not be stored.
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
}

/// Why a connection is not secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// Nearly always a clock that stands in the past, as on a Raspberry Pi that has not reached a time server yet.
    #[error("the certificate is not valid yet; check the clock and the time server")]
    NotYetValid,
    /// A clock that runs ahead, or a server that was not looked after.
    #[error("the certificate has expired; check the clock, else the cloud's operator has to renew it")]
    Expired,
    /// An unknown issuer, another name, no common protocol.
    #[error("the certificate or the protocol was not accepted; a proxy may stand in between")]
    Other,
}

impl CloudError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::Timeout { .. }
            // A clock gets set, a sign-in page goes away.
            | Self::Tls { .. }
            | Self::NotTheApi { .. }
            | Self::TokenRefused { .. }
            // A disk gets space again.
            | Self::TokenFile(_) => true,
            // 301 and 308 are meant for good, the others are what sign-in pages use.
            Self::Redirect { status, .. } => !matches!(status, 301 | 308),
            Self::Api { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            Self::Renewal(cause) => cause.is_transient(),
            Self::Setup { .. } | Self::NeedsLogin { .. } | Self::Unexpected { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// How long the server asks us to wait, from 0 to 24 hours. It holds for the whole server, not for the one call.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } => *retry_after,
            Self::Renewal(cause) => cause.retry_after(),
            _ => None,
        }
    }

    /// The status that the API answered with.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the server has looked at what was sent and will never take it as it is.
    pub fn is_rejected(&self) -> bool {
        matches!(self.status(), Some(400 | 415 | 422))
    }

    /// Whether less at once may be taken.
    pub fn is_too_large(&self) -> bool {
        self.status() == Some(413)
    }

    /// Whether somebody has to log in before this can go on.
    pub const fn needs_login(&self) -> bool {
        matches!(self, Self::NeedsLogin { .. })
    }

    /// Whether a wrong clock on this machine is the likely cause.
    pub fn suspects_clock(&self) -> bool {
        match self {
            Self::Tls { problem, .. } => matches!(problem, TlsProblem::NotYetValid | TlsProblem::Expired),
            // After a power cut the first request is the one for a new token.
            Self::Renewal(cause) => cause.suspects_clock(),
            _ => false,
        }
    }
}

/// ": message, message", or nothing.
fn told(messages: &[String]) -> String {
    if messages.is_empty() { String::new() } else { format!(": {}", messages.join("; ")) }
}

/// The innermost cause: the outer ones only say that something went wrong.
pub(crate) fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn quoted(snippet: &str) -> String {
    if snippet.is_empty() { String::new() } else { format!("; it begins: {snippet}") }
}

/// What to do about a status, in words.
const fn advice(status: u16) -> &'static str {
    match status {
        400 | 415 | 422 => " (sending the same again will not help)",
        401 => " (check e-mail address and password)",
        403 => " (this account may not do that; log in with one that may, or ask whoever runs the cloud)",
        404 | 405 | 410 => " (check the cloud address, including its path)",
        413 => " (send less at once)",
        408 | 425 | 429 | 500.. => " (it can be sent again later)",
        _ => " (nowbridge or the cloud may be outdated)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(status: u16) -> CloudError {
        let messages = vec!["type must be one of the known values".to_owned()];
        CloudError::Api { status, path: "/v1/user".to_owned(), messages, timestamp: None, retry_after: None }
    }

    #[test]
    fn the_status_decides_what_happens_next() {
        let statuses = |holds: fn(&CloudError) -> bool| -> Vec<u16> {
            (400..=599).filter(|status| holds(&api(*status))).collect()
        };
        assert_eq!(statuses(CloudError::is_rejected), [400, 415, 422]);
        assert_eq!(statuses(CloudError::is_too_large), [413]);
        let transient = statuses(CloudError::is_transient);
        assert_eq!(transient[..3], [408, 425, 429]);
        assert_eq!(transient[3..], (500..=599).collect::<Vec<_>>());
    }

    #[test]
    fn a_failed_renewal_is_judged_by_its_cause() {
        let wait = Some(Duration::from_secs(7));
        let cause = CloudError::Api {
            status: 503,
            path: String::new(),
            messages: vec![],
            timestamp: None,
            retry_after: wait,
        };
        let error = CloudError::Renewal(Arc::new(cause));
        assert!(error.is_transient());
        assert_eq!(error.retry_after(), wait);
        assert_eq!(error.status(), None);
        assert!(error.source().is_some());
    }

    #[test]
    fn the_text_says_what_to_do_next() {
        let text = api(400).to_string();
        assert_eq!(
            text,
            "the server answers 400 to /v1/user: type must be one of the known values (sending the same again will not help)"
        );
        let portal = CloudError::NotTheApi { status: 200, content_type: None, snippet: String::new() };
        assert!(portal.to_string().contains("sign-in page"));
    }
}
