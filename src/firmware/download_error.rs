//! Why there is no verified file, and what is to be done about it.

use std::time::Duration;

use super::download::Refusal;
use super::{StoreError, UrlError};
use crate::cloud::{CloudError, root_cause};
use crate::wire::Sha256;

/// Why a download did not end with a file in the store. What has come so far is kept wherever it can be of use.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The address is not one to download from.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The disk does not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cloud could not be asked for a fresh address, or for a login.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// No connection came about.
    #[error("{host} cannot be reached ({}); check the network", root_cause(source))]
    Unreachable {
        /// The host.
        host: String,
        /// The cause.
        source: reqwest::Error,
    },
    /// The connection broke.
    #[error(
        "the connection to {host} broke after {got} bytes ({}); the download goes on from there",
        root_cause(source)
    )]
    Interrupted {
        /// The host.
        host: String,
        /// Bytes that are here.
        got: u64,
        /// The cause.
        source: reqwest::Error,
    },
    /// Nothing came for too long.
    #[error("{host} sent nothing for {} s after {got} bytes; the download goes on from there", after.as_secs())]
    Stalled {
        /// The host.
        host: String,
        /// Bytes that are here.
        got: u64,
        /// How long it was waited for.
        after: Duration,
    },
    /// It came, but too slowly.
    #[error("the download took longer than {} min; it goes on from where it is the next time", after.as_secs() / 60)]
    TooSlow {
        /// How long it was given.
        after: Duration,
    },
    /// The server does not give it.
    #[error("{host} answers {status} instead of the file")]
    Answer {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// One redirect too many, or to nowhere.
    #[error("{host} redirects too often, or to nowhere; the file was not found")]
    Redirects {
        /// The host that redirected last.
        host: String,
    },
    /// A web page came.
    #[error(
        "{host} sends a web page instead of firmware; a sign-in page may stand in between, or the address is wrong"
    )]
    WebPage {
        /// The host.
        host: String,
    },
    /// It is packed in a way that was not asked for, so no byte count would hold.
    #[error("{host} sends the file encoded ({encoding}), though it was asked not to")]
    Encoded {
        /// The host.
        host: String,
        /// How.
        encoding: String,
    },
    /// Larger than is allowed.
    #[error("the file at {host} is larger than {cap} bytes; if that is right, raise firmware.max_size")]
    TooLarge {
        /// The host.
        host: String,
        /// What is allowed.
        cap: u64,
    },
    /// Not the size that was offered.
    #[error("the file has {got} bytes, but {offered} were offered; the cloud contradicts itself")]
    WrongSize {
        /// What was offered.
        offered: u64,
        /// What it has.
        got: u64,
    },
    /// Not the bytes that were asked for.
    #[error("{host} sends another part of the file than was asked for")]
    WrongRange {
        /// The host.
        host: String,
    },
    /// Not the file that was offered.
    #[error("the file's SHA-256 is {got}, but {offered} was offered; it was thrown away")]
    WrongHash {
        /// What was offered.
        offered: Sha256,
        /// What it is.
        got: Sha256,
    },
    /// The address has expired, and the cloud offers something else by now.
    #[error("the cloud no longer offers {was}; {}", now.as_ref().map_or("it offers nothing now".to_owned(), |now| format!("it offers {now} now")))]
    Changed {
        /// The version that was offered.
        was: String,
        /// The version that is offered now.
        now: Option<String>,
    },
    /// Whoever judges firmware refused it. The file is gone.
    #[error("{0}")]
    Refused(#[source] Refusal),
}

impl DownloadError {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Url(error) => error.is_transient(),
            Self::Store(error) => error.is_transient(),
            Self::Cloud(error) => error.is_transient(),
            Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::Stalled { .. }
            | Self::TooSlow { .. }
            | Self::WebPage { .. }
            | Self::Changed { .. } => true,
            Self::Answer { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            _ => false,
        }
    }

    /// How long the server asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer { retry_after, .. } => *retry_after,
            Self::Cloud(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Whether going on at once is worth a try.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::Stalled { .. }
            | Self::WrongRange { .. } => true,
            Self::Url(error) => error.is_transient(),
            Self::Answer { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            _ => false,
        }
    }

    /// Whether the address may have expired.
    pub(super) const fn is_expiry(&self) -> bool {
        matches!(self, Self::Answer { status: 401 | 403 | 404 | 410, .. })
    }

    /// Whether what has come so far is good for nothing.
    pub(super) const fn spoils_the_part(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::WrongSize { .. }
                | Self::WrongHash { .. }
                | Self::Refused(_)
                | Self::Store(StoreError::DiskFull { .. } | StoreError::NoRoom { .. })
        )
    }
}
