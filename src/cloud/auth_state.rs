//! Whether we are logged in, with the reason if not.

use serde::{Deserialize, Serialize};

/// How the client stands towards the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum AuthState {
    /// There are tokens. Whether the server still takes them shows at the next call.
    LoggedIn,
    /// Nothing goes on without a new login. The token file is kept.
    NeedsLogin {
        /// The reason.
        why: LoginReason,
    },
    /// Nobody has logged in yet. If credentials are configured, the first call logs in.
    Anonymous,
}

/// Why somebody has to log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum LoginReason {
    /// There are no tokens and no credentials.
    #[error("nobody has logged in yet")]
    NeverLoggedIn,
    /// The refresh token was refused: expired, revoked, or used twice.
    #[error("the server no longer accepts the stored login ({status}{})", said(message))]
    RefreshRefused {
        /// The HTTP status.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// The configured e-mail address and password were refused. They are not tried again.
    #[error("the server refused the configured e-mail address and password ({status}{})", said(message))]
    PasswordRefused {
        /// The HTTP status.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// The token file is there but cannot be used.
    #[error("the stored login cannot be used: {what}")]
    Unreadable {
        /// What is wrong with it.
        what: String,
    },
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
