//! The NOWATCH API client: one file a tag, and what they share.
//!
//! [`Api`] is the seam, [`Client`] its real implementation, [`CloudError`] decides what happens next. The room promises
//! three things: every call has a deadline, an answer counts as success only if the API gave it, and no token ever goes
//! anywhere but to the configured address.
//!
//! What the public documentation says is followed to the letter; what it leaves open is marked as our assumption in the
//! file of the tag.

mod admin_firmware;
mod api;
mod auth;
mod auth_state;
mod base_url;
mod call;
mod client;
mod day_values;
mod error;
mod error_body;
mod firmware;
mod keeper;
mod measurement;
mod retry_after;
mod session;
mod token_file;
mod transport;
mod user;

#[cfg(test)]
pub use api::MockApi;

pub use admin_firmware::{FirmwareAdmin, KeptFirmware, NewFirmware};
pub use api::Api;
pub use auth::Credentials;
pub use auth_state::{AuthState, LoginReason};
pub use base_url::{BaseUrl, BaseUrlError};
pub use client::{Client, ClientConfig};
pub use day_values::DayOfValues;
pub(crate) use error::root as root_cause;
pub use error::{CloudError, TlsProblem};
pub(crate) use error_body::{is_markup, messages as error_messages};
pub use firmware::{Channel, ChannelError, FirmwareOffer, FirmwareQuery, FirmwareRoutes, Pass};
pub use measurement::{MeasurementQuery, Sort, Upload, UploadReceipt};
pub(crate) use retry_after::parse as parse_retry_after;
pub use token_file::TokenFileError;
pub(crate) use transport::tls_problem_of;
pub use transport::{Timeouts, install_crypto};
pub use user::{User, UserConsent, UserSettings};
