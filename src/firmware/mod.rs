//! Firmware on this side of the radio: what is offered, how it is fetched and kept, and whether it may be trusted.
//!
//! Nothing in this room speaks to a watch; that is the updater's work, and it takes only what this room lets pass.
//!
//! ```text
//! kind       what a file is, if it is no image
//! manifest   what its publisher signed about a file
//! trust      how far a file can be trusted, and what is remembered of that for a watch
//! policy     how far it has to be, and by whose keys
//! check      every check there is, with its verdict
//! offer      what the cloud offers, in the channel that the user is in
//! url        which addresses a download may go to
//! request    one request, redirects by hand
//! download   from an offer to a verified file in the store, resumed as often as it takes
//! leg        one connection's worth of that
//! partial    a download under way
//! store      what is verified, each file named after its hash
//! disk       old or new, whatever happens
//! ```

mod check;
mod disk;
mod download;
mod download_error;
mod error;
mod kind;
mod leg;
mod manifest;
mod offer;
mod partial;
mod policy;
mod progress;
mod request;
mod store;
mod trust;
mod url;

pub use check::{Asked, Check, CheckName, Now, Question, Report, Stated, Target, Verdict, check, integrity};
pub use download::{Downloader, Job, Judge, Limits, Refusal};
pub use download_error::DownloadError;
pub use error::{Problem, Skipped};
pub use kind::{FileKind, recognise};
pub use manifest::{LARGEST_MANIFEST, Manifest, ManifestError};
pub use offer::{channel, offered};
pub use policy::{Because, Needed, Policy};
pub use progress::Progress;
pub use store::{Entry, FirmwareStore, Label, Papers, StoreError, Stored};
pub use trust::{Memory, TrustLevel};
pub use url::{Checked, UrlError, UrlGuard};

/// No firmware of a watch is larger; what is, is another file.
pub const LARGEST_FILE: u64 = 8 << 20;
