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
//! ```

mod check;
mod error;
mod kind;
mod manifest;
mod policy;
mod trust;

pub use check::{Asked, Check, CheckName, Now, Question, Report, Stated, Target, Verdict, check, integrity};
pub use error::{Problem, Skipped};
pub use kind::{FileKind, recognise};
pub use manifest::{LARGEST_MANIFEST, Manifest, ManifestError};
pub use policy::{Because, Needed, Policy};
pub use trust::{Memory, TrustLevel};

/// No firmware of a watch is larger; what is, is another file.
pub const LARGEST_FILE: u64 = 8 << 20;
