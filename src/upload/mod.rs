//! Outbox to cloud.

mod readings;

pub use readings::{Rows, RowsError, Source};
