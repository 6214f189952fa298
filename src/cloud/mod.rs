//! The NOWATCH API client: one file a tag, and what they share.
//!
//! [`Api`] is the seam, [`Client`] its real implementation, [`CloudError`] decides what happens next. The room promises
//! three things: every call has a deadline, an answer counts as success only if the API gave it, and no token ever goes
//! anywhere but to the configured address.
//!
//! What the public documentation says is followed to the letter; what it leaves open is marked as our assumption in the
//! file of the tag.

mod api;
mod auth;
mod auth_state;
mod base_url;
mod call;
mod client;
mod day_values;
mod error;
mod error_body;
mod keeper;
mod measurement;
mod retry_after;
mod session;
mod token_file;
mod transport;
mod user;

#[cfg(test)]
pub use api::MockApi;

pub use api::Api;
pub use auth::Credentials;
pub use auth_state::{AuthState, LoginReason};
pub use base_url::{BaseUrl, BaseUrlError};
pub use client::{Client, ClientConfig};
pub use day_values::DayOfValues;
pub use error::{CloudError, TlsProblem};
pub use measurement::{MeasurementQuery, Sort, Upload, UploadReceipt};
pub use token_file::TokenFileError;
pub use transport::{Timeouts, install_crypto};
pub use user::{User, UserConsent, UserSettings};
