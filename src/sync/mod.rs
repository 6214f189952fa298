//! Watch to outbox: the loop that collects.
//!
//! A *session* reads the watch's log from our cursor to its head. Blocks are committed in groups, each group and the cursor in one
//! transaction, and only what is committed is acknowledged. Whatever number is missing gets a name before the cursor passes it:
//! overwritten on the watch, burned by the watch after a power cut, or corrupt in its flash.

mod anchoring;
mod error;
mod history;
mod intake;
mod live;
mod quiet;
mod recovery;
mod report;
mod session;
mod slots;
mod status;
mod timekeeper;
mod watcher;

pub use error::SyncError;
pub use live::{Kept, Listening, listen};
pub use quiet::QuietHours;
pub use recovery::{Recovery, RecoveryCounts};
pub use report::{FailureKind, Outcome, SessionReport};
pub use session::collect;
pub use slots::{Slot, Slots};
pub use status::{Progress, WaitReason, WatchCounts, WatchState, WatchStatus};
pub use timekeeper::{ClockStatus, Timekeeper};
pub use watcher::{Mode, Shared, Watcher, WatcherConfig, WatcherSignals};

/// How long a sign of life may take: an answer needs two connection events, and a watch with slave latency lets some pass.
const SIGN_OF_LIFE: std::time::Duration = std::time::Duration::from_secs(5);
