//! Outbox to cloud: the loop that delivers.
//!
//! A batch is a range of samples of one kind of one log. It is written down with the hash of its table before the first byte is
//! sent; a retry makes the same table and sends it under the same key; a receipt is stored before the cursor moves. What the
//! cloud refuses for good is narrowed down to the sample and put aside with the cloud's words, and everything else goes on. A
//! cloud that takes nothing of a kind has put nothing aside: that kind waits. What has no date that can be believed is held back
//! until it has one. Dead letters that are tried again, and what the cloud has lost, are errands: sent in between, behind the
//! cursor, and never so that a row takes away what the cloud has of the same second.

mod archive;
mod batching;
mod nowatch;
mod readings;
mod receiver;
pub mod sinks;
mod status;
mod surroundings;
mod table;
mod uploader;
mod verify;

pub use nowatch::{Nowatch, nowatch};
pub use readings::{Part, Rows, RowsError, Source};
pub use receiver::{Failure, Parcel, Receiver, Verdict};
pub use status::{HoldReason, UploadState, UploadStatus};
pub use table::Table;
pub use uploader::{UploadError, Uploader, UploaderConfig};
pub use verify::{DayCheck, DayVerdict, Verifier, VerifyEnd, VerifyError, VerifyOptions};
