//! Firmware on this side of the radio: what is offered, how it is fetched and kept, and whether it may be trusted.
//!
//! Nothing in this room speaks to a watch; that is the updater's work, and it takes only what this room lets pass.
//!
//! ```text
//! offer      what the cloud offers, in the channel that the user is in
//! url        which addresses a download may go to
//! request    one request, redirects by hand
//! download   from an offer to a verified file in the store, resumed as often as it takes
//! leg        one connection's worth of that
//! partial    a download under way
//! store      what is verified, each file named after its hash
//! disk       old or new, whatever happens
//! ```

mod disk;
mod download;
mod download_error;
mod leg;
mod offer;
mod partial;
mod progress;
mod request;
mod store;
mod url;

pub use download::{Downloader, Job, Judge, Limits, Refusal};
pub use download_error::DownloadError;
pub use offer::{channel, offered};
pub use progress::Progress;
pub use store::{Entry, FirmwareStore, Label, Papers, StoreError, Stored};
pub use url::{Checked, UrlError, UrlGuard};
