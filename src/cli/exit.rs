//! Exit codes, after sysexits.h, so that a service manager and a script can tell what a person has to do.

use super::export::CannotExport;
use super::firmware::Unasked;
use super::login::Missing;
use super::outbox::Undone;
use super::place::NoOutbox;
use super::radio::NeedsFlag;
use super::why::BadInstant;
use crate::cloud::CloudError;
use crate::config::ConfigError;
use crate::control::{Complaint, ControlError, Fault};
use crate::daemon::DaemonError;
use crate::firmware::{DownloadError, StoreError, UrlError};
use crate::outbox::OutboxError;

/// All is well.
pub const OK: u8 = 0;
/// The command worked and the answer is no: `verify` or the demo found a difference.
pub const DIFFERENT: u8 = 1;
/// The arguments are wrong.
pub const USAGE: u8 = 64;
/// Data that were given, or the database, are not what they should be.
pub const DATA: u8 = 65;
/// What is needed is not there: the daemon does not run, the cloud, the radio or the watch cannot be reached.
pub const UNAVAILABLE: u8 = 69;
/// A fault of nowbridge.
pub const SOFTWARE: u8 = 70;
/// A folder or file cannot be made or written.
pub const CANNOT_CREATE: u8 = 73;
/// Something is in the way for now: another daemon runs, or the radio is at something else.
pub const TRY_LATER: u8 = 75;
/// Somebody has to log in or to pair, or lacks the right; or a firmware is not trusted.
pub const NOT_ALLOWED: u8 = 77;
/// A signal ended the demo before it was done: 128 and the number of SIGINT, as shells have it.
#[cfg(feature = "sim")]
pub const STOPPED: u8 = 130;
/// The configuration is wrong, or the database needs another version of nowbridge.
pub const CONFIG: u8 = 78;

/// For the end of `--help`.
pub const HELP: &str = "Exit codes: 0 done, 1 done but something differs, 64 wrong arguments, 65 bad input data or a damaged outbox, \
69 not reachable, 70 internal fault, 73 cannot write, 75 in use, try later, 77 log in, pair, lack of rights, or not trusted, \
78 wrong configuration.";

/// Whether whoever read our output has left.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The code of an error.
pub fn of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(of_cause).unwrap_or(SOFTWARE)
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(error) = cause.downcast_ref::<DaemonError>() {
        return Some(of_daemon(error));
    }
    if let Some(error) = cause.downcast_ref::<ConfigError>() {
        return Some(of_config(error));
    }
    if let Some(error) = cause.downcast_ref::<OutboxError>() {
        return Some(of_outbox(error));
    }
    if let Some(error) = cause.downcast_ref::<CloudError>() {
        return Some(of_cloud(error));
    }
    if let Some(error) = cause.downcast_ref::<DownloadError>() {
        return Some(of_download(error));
    }
    if let Some(error) = cause.downcast_ref::<StoreError>() {
        return Some(if error.is_transient() { TRY_LATER } else { CANNOT_CREATE });
    }
    if let Some(error) = cause.downcast_ref::<Unasked>() {
        return Some(of_unasked(error));
    }
    #[cfg(feature = "sim")]
    if cause.is::<crate::sim::recording::RecordingError>() || cause.is::<crate::sim::watch::FlashError>() {
        return Some(DATA);
    }
    if let Some(error) = cause.downcast_ref::<ControlError>() {
        return Some(match error {
            ControlError::NotAllowed { .. } => NOT_ALLOWED,
            ControlError::Refused(complaint) => of_fault(complaint.fault),
            _ => UNAVAILABLE,
        });
    }
    if let Some(complaint) = cause.downcast_ref::<Complaint>() {
        return Some(of_fault(complaint.fault));
    }
    if cause.is::<super::firmware::BadFile>() {
        return Some(DATA);
    }
    if cause.is::<NoOutbox>() {
        return Some(UNAVAILABLE);
    }
    if cause.is::<super::verify::BrokenOff>() {
        return Some(UNAVAILABLE);
    }
    if let Some(error) = cause.downcast_ref::<CannotExport>() {
        return Some(if matches!(error, CannotExport::NotWhole) { UNAVAILABLE } else { USAGE });
    }
    if cause.is::<NeedsFlag>() || cause.is::<Undone>() || cause.is::<BadInstant>() {
        return Some(USAGE);
    }
    if let Some(error) = cause.downcast_ref::<Missing>() {
        return Some(match error {
            Missing::Cloud => CONFIG,
            Missing::Email | Missing::Password => USAGE,
        });
    }
    cause.downcast_ref::<std::io::Error>().map(|_| CANNOT_CREATE)
}

const fn of_fault(fault: Fault) -> u8 {
    match fault {
        Fault::UnknownWatch | Fault::Request => USAGE,
        Fault::Busy | Fault::Stopping => TRY_LATER,
        Fault::RadioOff | Fault::NoCloud => CONFIG,
        Fault::Unreachable => UNAVAILABLE,
        Fault::Pairing | Fault::Login | Fault::Trust => NOT_ALLOWED,
        Fault::Damaged | Fault::Firmware => DATA,
        Fault::CannotWrite => CANNOT_CREATE,
        Fault::Internal => SOFTWARE,
    }
}

fn of_daemon(error: &DaemonError) -> u8 {
    match error {
        DaemonError::Config(error) => of_config(error),
        DaemonError::Outbox(error) => of_outbox(error),
        DaemonError::Cloud(error) => of_cloud(error),
        DaemonError::BaseUrl(_) | DaemonError::NoSimulation | DaemonError::NoMqtt => CONFIG,
        DaemonError::Socket { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => TRY_LATER,
        DaemonError::Socket { .. } => CANNOT_CREATE,
    }
}

const fn of_config(error: &ConfigError) -> u8 {
    match error {
        ConfigError::Directory { .. } => CANNOT_CREATE,
        _ => CONFIG,
    }
}

const fn of_outbox(error: &OutboxError) -> u8 {
    match error {
        OutboxError::InUse { .. }
        | OutboxError::Busy { .. }
        | OutboxError::Salvaging { .. }
        | OutboxError::BackupTooSlow { .. } => TRY_LATER,
        OutboxError::BackupExists { .. } => USAGE,
        OutboxError::CannotUse { .. }
        | OutboxError::File { .. }
        | OutboxError::DiskFull { .. }
        | OutboxError::CapReached { .. }
        | OutboxError::NoHeadroom { .. } => CANNOT_CREATE,
        OutboxError::NewerSchema { .. } => CONFIG,
        OutboxError::NotADatabase { .. }
        | OutboxError::Corrupt { .. }
        | OutboxError::BackupDamaged { .. }
        | OutboxError::NothingToSalvage { .. } => DATA,
        _ => SOFTWARE,
    }
}

fn of_download(error: &DownloadError) -> u8 {
    match error {
        DownloadError::Cloud(error) => of_cloud(error),
        DownloadError::Store(error) if error.is_transient() => TRY_LATER,
        DownloadError::Store(_) => CANNOT_CREATE,
        DownloadError::Url(UrlError::NotListed { .. }) => CONFIG,
        DownloadError::Url(error) if error.is_transient() => UNAVAILABLE,
        DownloadError::Url(_) | DownloadError::Refused(_) => NOT_ALLOWED,
        DownloadError::WebPage { .. }
        | DownloadError::Encoded { .. }
        | DownloadError::TooLarge { .. }
        | DownloadError::WrongSize { .. }
        | DownloadError::WrongRange { .. }
        | DownloadError::WrongHash { .. } => DATA,
        _ => UNAVAILABLE,
    }
}

const fn of_unasked(error: &Unasked) -> u8 {
    match error {
        Unasked::Cloud => CONFIG,
        Unasked::Watch | Unasked::Several(_) => USAGE,
        Unasked::Version { .. } | Unasked::Nothing(_) => DIFFERENT,
    }
}

fn of_cloud(error: &CloudError) -> u8 {
    if error.needs_login() || error.status() == Some(401) { NOT_ALLOWED } else { UNAVAILABLE }
}
